"""What is drawn of stored series: the index selects, numpy makes the buckets (engine/index/downsample.py).

Measured on a million points this is as fast as aggregates in SQL that also tell positions, and of equal extremes
it always takes the first.  Vectors are large: of them the index itself finds the rows that are kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import duckdb
import numpy as np

from engine.core.nonfinite import jsonable
from engine.index.downsample import View, by_step, thin

Asked = tuple[int, tuple[int, ...]]  # a run and the metric ids that make up one series


def series(cursor: duckdb.DuckDBPyConnection, wanted: Sequence[Asked], lo: int | None, hi: int | None, points: int) -> list[dict[str, Any]]:
    """One answer per asked series, in one query; the buckets of all are those of their common range of steps."""
    found = cursor.execute(f"SELECT run_id, metric_id, step, t, value FROM store.metric_point WHERE {_where(wanted, lo, hi)}").fetchnumpy()
    steps = found["step"]
    if not len(steps):
        return [_answer(found, np.arange(0), points, (0, 0)) for _ in wanted]
    view = (int(steps.min()), int(steps.max()))
    if len(wanted) == 1:
        return [_answer(found, by_step(steps, found["t"]), points, view)]
    rows_of = _by_series(found["run_id"], found["metric_id"])
    answers = []
    for run, metrics in wanted:
        parts = [rows_of[run, metric] for metric in metrics if (run, metric) in rows_of]
        rows = np.concatenate(parts) if parts else np.arange(0)
        answers.append(_answer(found, rows[by_step(steps[rows], found["t"][rows])], points, view))
    return answers


def vectors(
    cursor: duckdb.DuckDBPyConnection, wanted: Asked, lo: int | None, hi: int | None, rows: int, *, even: bool = False
) -> dict[str, Any]:
    """At most about `rows` rows: of each bucket the one with the largest element (a NaN counts as largest), the first and the last.

    The same rows as `thin_rows` keeps.  `even`: one reading in so many instead, and the last: a film of the largest ones would be false.
    """
    which = _where([wanted], lo, hi)
    count, first, last = cursor.execute(f"SELECT count(*), min(step), max(step) FROM store.vector_point WHERE {which}").fetchall()[0]
    if count > rows and even:
        kept = f"(row_number() OVER (ORDER BY step, t) - 1) % {-(-count // rows)} = 0 OR step = {last}"
        found = cursor.execute(f"SELECT step, t, v FROM store.vector_point WHERE {which} QUALIFY {kept} ORDER BY step, t").fetchall()
        return _rows(found)
    if count > rows:
        width = max(1, -(-(last - first + 1) // rows))
        peaks = cursor.execute(
            f"SELECT -(max({{'m': list_max(v), 's': -step}}).s) FROM store.vector_point WHERE {which} GROUP BY (step - {first}) // {width}"
        ).fetchall()
        which += f" AND {_among('step', sorted({first, last, *(step for (step,) in peaks)}))}"
    return _rows(cursor.execute(f"SELECT step, t, v FROM store.vector_point WHERE {which} ORDER BY step, t").fetchall())


def _rows(rows: Sequence[tuple[int, float, Sequence[float]]]) -> dict[str, Any]:
    return {
        "steps": [step for step, _, _ in rows],
        "t": [t for _, t, _ in rows],
        "v": [[jsonable(element) for element in v] for _, _, v in rows],
    }


def _where(wanted: Sequence[Asked], lo: int | None, hi: int | None) -> str:
    """The rows of all asked series and perhaps a few others; ids and steps are our own integers."""
    runs = sorted({run for run, _ in wanted})
    metrics = sorted({metric for _, metrics in wanted for metric in metrics})
    parts = [_among("run_id", runs), _among("metric_id", metrics)]
    parts += [f"step >= {int(lo)}"] if lo is not None else []
    parts += [f"step <= {int(hi)}"] if hi is not None else []
    return " AND ".join(parts)


def _among(column: str, numbers: Sequence[int]) -> str:
    return f"{column} = {numbers[0]}" if len(numbers) == 1 else f"{column} IN ({', '.join(map(str, numbers))})"


def _by_series(runs: np.ndarray, metrics: np.ndarray) -> dict[tuple[int, int], np.ndarray]:
    """Rows of each (run, metric), in stored order."""
    keys = (runs.astype(np.int64) << 32) | metrics
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    starts = np.flatnonzero(np.diff(keys, prepend=-1))
    parts = np.split(order, starts[1:])
    return {(int(keys[s]) >> 32, int(keys[s]) & 0xFFFFFFFF): rows for s, rows in zip(starts, parts, strict=True)}


def _answer(columns: dict[str, np.ndarray], rows: np.ndarray, points: int, view: View) -> dict[str, Any]:
    steps, ts, values = (columns[name][rows] for name in ("step", "t", "value"))
    kept, marks = thin(steps, values, points, view)
    nonfinite = zip(steps[marks].tolist(), ts[marks].tolist(), values[marks].tolist(), strict=True)
    return {
        "steps": steps[kept].tolist(),
        "t": ts[kept].tolist(),
        "values": values[kept].tolist(),
        "nonfinite": [[step, t, jsonable(value)] for step, t, value in nonfinite],
        "nonfinite_count": int((~np.isfinite(values)).sum()),
        "exact": len(steps) <= points,
        "count": len(steps),
    }
