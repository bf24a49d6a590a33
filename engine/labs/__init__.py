"""The science: base classes at the door, one folder per topic.

lab          one family of experiments: model, data, loss, knobs, presets
topic        a folder with the labs of one field and what belongs to them; topics never import each other, common serves all
remedy       an answer that changes what breaks: one file in remedies/<question>/
probe        measures a running training and changes nothing in it: one file in probes/; its value at a step is a reading
detector     a rule that turns readings into events: one file in detectors/
chart        frames of runs in, one figure out: one file in charts/
panel        a computation of a second without a run, moved with sliders: one file in panels/
capability   a word in a lab's `provides`, with a Protocol in capabilities.py; a probe's `needs` names one
noise floor  what chance, rounding or real data would score: below it a difference says nothing
"""
