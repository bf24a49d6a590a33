"""Series made small enough to draw: minimum and maximum of every bucket of steps, at their true positions.

A spike of one step is in the answer at any zoom.  Values that are not finite are kept apart, because one NaN would
hide the rest of its bucket.  What is asked of the index (engine/index/draw.py) and what the owner publishes
(engine/index/subscribe.py, on the way to engine/server/channels.py) both come through here, so that a curve looks
the same live and after the page is made again.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

POINTS, ROWS = 1000, 300  # of one series, of one vector series, where nobody asks for another number

View = tuple[int, int]  # first and last step of what is drawn together


def by_step(steps: np.ndarray, ts: np.ndarray) -> np.ndarray:
    """Rows by step and time; the stored order of an ended run is that already."""
    if (steps[1:] > steps[:-1]).all():
        return np.arange(len(steps))
    return np.lexsort((ts, steps))


def thin(steps: np.ndarray, values: np.ndarray, points: int, view: View) -> tuple[np.ndarray, np.ndarray]:
    """-> rows of the finite values to draw, and rows of those that are not finite; all of them where there are no more than `points`.

    `steps` ascend.  Otherwise about `points` / 2 buckets of `view` keep their extremes, and of more than `points` values that
    are not finite each bucket keeps the first of each kind.
    """
    finite = np.isfinite(values)
    kept, broken = np.flatnonzero(finite), np.flatnonzero(~finite)
    if len(steps) <= points:
        return kept, broken
    width = max(1, -(-(view[1] - view[0] + 1) // max(1, points // 2)))
    kept = _extremes(kept, (steps[kept] - view[0]) // width, values[kept])
    if len(broken) > points:
        kind = np.select([np.isnan(values[broken]), values[broken] > 0], [0, 1], 2)
        broken = broken[np.sort(np.unique((steps[broken] - view[0]) // width * 3 + kind, return_index=True)[1])]
    return kept, broken


def thin_rows(steps: Sequence[int], values: Sequence[Sequence[float]], rows: int) -> list[int]:
    """Of vectors at ascending `steps`, at most about `rows`: of each bucket the one with the largest element (a NaN counts as largest),
    the first and the last.
    """
    if len(steps) <= rows:
        return list(range(len(steps)))
    at = np.asarray(steps, np.int64)
    peaks = np.array([np.max(row, initial=-np.inf) for row in values])
    nonfinite = np.isnan(peaks)
    width = max(1, -(-(int(at[-1]) - int(at[0]) + 1) // rows))
    buckets = (at - at[0]) // width
    order = np.lexsort((at, np.where(nonfinite, 0.0, -peaks), ~nonfinite, buckets))  # the best of its bucket comes first
    best = order[np.unique(buckets[order], return_index=True)[1]]
    return np.flatnonzero(np.isin(at, [at[0], at[-1], *at[best]])).tolist()


def _extremes(rows: np.ndarray, buckets: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Of each bucket the first row of its minimum and of its maximum, and the first and the last row of all."""
    if not len(rows):
        return rows
    starts = np.flatnonzero(np.diff(buckets, prepend=buckets[0] - 1))
    lengths = np.diff(starts, append=len(rows))
    kept = [np.array([0, len(rows) - 1])]
    for extreme in (np.minimum, np.maximum):
        places = np.flatnonzero(values == np.repeat(extreme.reduceat(values, starts), lengths))
        kept.append(places[np.unique(buckets[places], return_index=True)[1]])
    return rows[np.unique(np.concatenate(kept))]
