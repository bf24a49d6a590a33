"""One metric of many runs: what is drawn of it, run by run and in common stretches of steps, out of one query.

A line keeps minimum and maximum of every bucket of its own (engine/index/downsample.py).  What is drawn of all runs together (a band)
needs them side by side: here every run has minimum and maximum of the same buckets, so that neither a spike nor a NaN of any run is lost
between two of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb
import numpy as np

from engine.core.nonfinite import word
from engine.index.downsample import thin


@dataclass(frozen=True)
class Line:
    """One run: finite values to draw at ascending steps, and every value that is not finite as (step, word), of each bucket the first of
    each kind.  `count` and `odd`: stored values, and how many of them are not finite.  `exact`: nothing was left out."""

    steps: np.ndarray
    values: np.ndarray
    marks: tuple[tuple[int, str], ...]
    count: int
    odd: int
    exact: bool


@dataclass(frozen=True)
class Overlay:
    """N runs in B buckets in which any of them has a value.  `middle_B`: step in the middle of each, `width`: its steps.

    `low_NB`, `high_NB`: extremes of a run in a bucket; NaN where it has no value, and where one of its values is not finite, which
    `odd_NB` tells apart.
    """

    lines: tuple[Line, ...]
    middle_B: np.ndarray
    width: int
    low_NB: np.ndarray
    high_NB: np.ndarray
    odd_NB: np.ndarray


def overlay(
    cursor: duckdb.DuckDBPyConnection,
    runs: Sequence[int],
    metrics: Sequence[int],
    points: Sequence[int],
    buckets: int,
    within: tuple[int, int] | None = None,
) -> Overlay:
    """The metric (all its ids) of the runs, in their order; `points`: of each line, about; `buckets` of their common range, at most.
    `within`: first and last step that are asked for."""
    where = f"run_id IN ({', '.join(map(str, runs))}) AND metric_id IN ({', '.join(map(str, metrics))})"
    where += f" AND step BETWEEN {int(within[0])} AND {int(within[1])}" if within else ""
    columns = cursor.execute(f"SELECT run_id, step, value FROM store.metric_point WHERE {where}").fetchnumpy()
    position = np.full(max(runs) + 1, -1, np.int64)
    position[list(runs)] = np.arange(len(runs))
    owner, steps, values = position[columns["run_id"]], columns["step"], columns["value"]
    ordered = (owner[1:] > owner[:-1]) | ((owner[1:] == owner[:-1]) & (steps[1:] >= steps[:-1]))
    if not ordered.all():
        rows = np.lexsort((steps, owner))
        owner, steps, values = owner[rows], steps[rows], values[rows]
    if not len(steps):
        empty = np.empty((len(runs), 0))
        nothing = Line(steps, values, (), 0, 0, True)
        return Overlay((nothing,) * len(runs), np.empty(0), 1, empty, empty, empty.astype(bool))
    view = (int(steps.min()), int(steps.max()))
    ends = np.searchsorted(owner, np.arange(len(runs) + 1))
    lines = tuple(
        _line(steps[start:end], values[start:end], max(2, most), view) for start, end, most in zip(ends[:-1], ends[1:], points, strict=True)
    )
    return Overlay(lines, *_side_by_side(owner, steps, values, len(runs), view, buckets))


def _line(steps: np.ndarray, values: np.ndarray, most: int, view: tuple[int, int]) -> Line:
    kept, marked = thin(steps, values, most, view)
    marks = tuple((int(step), word(float(value))) for step, value in zip(steps[marked], values[marked], strict=True))
    return Line(steps[kept], values[kept], marks, len(steps), int((~np.isfinite(values)).sum()), len(steps) <= most)


def _side_by_side(
    owner: np.ndarray, steps: np.ndarray, values: np.ndarray, runs: int, view: tuple[int, int], buckets: int
) -> tuple[np.ndarray, int, np.ndarray, np.ndarray, np.ndarray]:
    """-> middle_B, width, low_NB, high_NB, odd_NB."""
    width = max(1, -(-(view[1] - view[0] + 1) // buckets))
    many = (view[1] - view[0]) // width + 1
    cells = owner * many + (steps - view[0]) // width  # ascending, as rows go by run and step
    starts = np.flatnonzero(np.diff(cells, prepend=-1))
    finite = np.isfinite(values)
    shape = (runs, many)
    low, high, odd = np.full(shape, np.nan), np.full(shape, np.nan), np.zeros(shape, bool)
    at = np.unravel_index(cells[starts], shape)
    all_finite = np.logical_and.reduceat(finite, starts)
    low[at] = np.where(all_finite, np.minimum.reduceat(np.where(finite, values, np.inf), starts), np.nan)
    high[at] = np.where(all_finite, np.maximum.reduceat(np.where(finite, values, -np.inf), starts), np.nan)
    odd[at] = ~all_finite
    used = np.flatnonzero((np.isfinite(low) | odd).any(axis=0))
    return view[0] + used * width + (width - 1) / 2, width, low[:, used], high[:, used], odd[:, used]
