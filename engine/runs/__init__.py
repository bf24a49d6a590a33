"""One run on disk: its folder, its append-only log, its status.

run      a folder `data/runs/<id>` with a spec.json; what is not in it did not happen
attempt  one worker's turn at a run; a resumed run has several, each with a spool of its own
spool    the append-only file of an attempt: frames with length and checksum
frame    one entry of a spool: spool.py writes them, spool_reader.py reads them, spool_repair.py finds the next one after damage
series   one metric of one layer, written NAME or NAME@LAYER; a point is one value of it at one step
event    something at a step, told by a rule (a detector, or a picture's name)
picture  a PNG of a step, announced by an event of kind "image"
status   queued, running, held, or one of the ends; an end is written once, in exit.json
sweep    runs that were asked for together; data/sweeps/<id>.json names them by their identities, the members
lost     the end of a worker that went without a word
"""
