"""Sweeps that grow: what their runs came to decides which runs come next.

strategy   one way of choosing the next points: a file in strategies/, named by "is" in the sweep's file
point      values of the axes, without a seed; each is trained with every seed of the sweep
outcome    what one run of a sweep came to, as far as it has
lattice    the values that an axis of a map may take, from the first to the finest
trial      a point of a search through Optuna, with the value that its runs came to
open       said of a sweep that may still get more runs
"""
