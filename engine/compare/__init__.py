"""Runs beside each other: which belong together, what each came to, and what may be said of that.

arm        runs of one lab whose knobs are equal but for seed, data_seed and probes
key        seed and data_seed of a run; runs of two arms with one key are a pair
repeat     a later run of an arm with the key of an earlier one: it is shown and counts for nothing
value      what a run came to in one metric: its last stored one if it finished, NaN if it diverged, none otherwise
baseline   the arm that the others are compared with
by         the knob in which arms must differ from the baseline, and in nothing else, to be compared with it
"""
