"""Series made small enough to draw: minimum and maximum of every bucket, at their true positions.

A spike of one step is in the answer at any zoom.  Values that are not finite are counted and listed
apart, because one NaN would hide the rest of its bucket (DuckDB's `max` with a NaN is NaN).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import duckdb
import numpy as np

from engine.detector import jsonable

Asked = tuple[int, tuple[int, ...]]  # a run and the metric ids that make up the series


def where(asked: Sequence[Asked], lo: int | None, hi: int | None) -> str:
    """The rows of all asked series and perhaps a few others; ids and steps are our own integers."""
    runs = sorted({run for run, _ in asked})
    metrics = sorted({metric for _, metrics in asked for metric in metrics})
    parts = [_among("run_id", runs), _among("metric_id", metrics)]
    parts += [f"step >= {int(lo)}"] if lo is not None else []
    parts += [f"step <= {int(hi)}"] if hi is not None else []
    return " AND ".join(parts)


def _among(column: str, numbers: Sequence[int]) -> str:
    return f"{column} = {numbers[0]}" if len(numbers) == 1 else f"{column} IN ({', '.join(map(str, numbers))})"


def series(cursor: duckdb.DuckDBPyConnection, asked: Sequence[Asked], lo: int | None, hi: int | None, points: int) -> list[dict[str, Any]]:
    """One answer per asked series, each of about `points` points; the buckets of all are those of their common range."""
    place = {(run, metric): i for i, (run, metrics) in enumerate(asked) for metric in metrics}
    answers = [_Answer() for _ in asked]
    rows = where(asked, lo, hi)
    counted = cursor.execute(
        "SELECT run_id, metric_id, count(*), count(*) FILTER (isfinite(value)), min(step), max(step), "
        "min({'s': step, 't': t, 'v': value}) FILTER (isfinite(value)), max({'s': step, 't': t, 'v': value}) FILTER (isfinite(value)) "
        f"FROM store.metric_point WHERE {rows} GROUP BY ALL"
    ).fetchall()
    first, last, short, long, broken = None, 0, [], [], []
    for run, metric, count, finite, low, high, *ends in counted:
        at = place.get((run, metric))
        if at is None:
            continue
        answers[at].count += count
        answers[at].broken += count - finite
        answers[at].ends += [tuple(end.values()) for end in ends if end is not None]
        first, last = low if first is None else min(first, low), max(last, high)
    for one, answer in zip(asked, answers, strict=True):
        answer.exact = answer.count <= points
        if answer.count:
            (short if answer.exact else long).append(one)
        if answer.broken:
            broken.append(one)
    if short:
        found = cursor.execute(f"SELECT run_id, metric_id, step, t, value FROM store.metric_point WHERE {where(short, lo, hi)}")
        _keep(found.fetchnumpy(), place, answers, exact=True)
    if long and first is not None:
        width = max(1, -(-(last - first + 1) // max(1, points // 2)))
        bucket = f"(step - {first}) // {width} AS bucket"
        found = cursor.execute(
            f"WITH b AS (SELECT run_id, metric_id, {bucket}, min({{'v': value, 's': step, 't': t}}) AS low, "
            f"max({{'v': value, 's': -step, 't': t}}) AS high FROM store.metric_point WHERE {where(long, lo, hi)} AND isfinite(value) "
            "GROUP BY ALL) "
            "SELECT run_id, metric_id, low.s AS step, low.t AS t, low.v AS value FROM b "
            "UNION ALL SELECT run_id, metric_id, -high.s, high.t, high.v FROM b"
        )
        _keep(found.fetchnumpy(), place, answers, exact=False)
        for answer in answers:
            if not answer.exact:
                answer.rows += answer.ends
    if broken and first is not None:
        _broken(cursor, broken, place, answers, (lo, hi, points, first, last))
    return [answer.json() for answer in answers]


class _Answer:
    def __init__(self) -> None:
        self.count, self.broken, self.exact = 0, 0, True
        self.ends: list[tuple[int, float, float]] = []  # first and last finite point
        self.rows: list[tuple[int, float, float]] = []
        self.marks: list[tuple[int, float, float]] = []

    def json(self) -> dict[str, Any]:
        rows = sorted(self.rows, key=lambda row: row[:2]) if self.exact else sorted(set(self.rows))
        return {
            "steps": [s for s, _, _ in rows],
            "t": [t for _, t, _ in rows],
            "values": [v for _, _, v in rows],
            "nonfinite": [[s, t, jsonable(v)] for s, t, v in sorted(self.marks, key=lambda row: row[:2])],
            "nonfinite_count": self.broken,
            "exact": self.exact,
            "count": self.count,
        }


def _keep(found: dict[str, np.ndarray], place: dict[tuple[int, int], int], answers: list[_Answer], *, exact: bool) -> None:
    """Finite rows to the answers that want them in this form."""
    finite = np.isfinite(found["value"])
    columns = [found[name][finite].tolist() for name in ("run_id", "metric_id", "step", "t", "value")]
    for run, metric, step, t, value in zip(*columns, strict=True):
        at = place.get((run, metric))
        if at is not None and answers[at].exact is exact:
            answers[at].rows.append((step, t, value))


def _broken(cursor: duckdb.DuckDBPyConnection, asked: list[Asked], place: Any, answers: list[_Answer], view: tuple) -> None:
    """Positions of what is not finite: all of them, or where there are many the first of each kind in a bucket."""
    lo, hi, points, first, last = view
    width = max(1, -(-(last - first + 1) // max(1, points // 2))) if any(a.broken > points for a in answers) else 1
    found = cursor.execute(
        "SELECT run_id, metric_id, s.s, s.t, s.v FROM ("
        f"SELECT run_id, metric_id, (step - {first}) // {width} AS bucket, "
        "CASE WHEN isnan(value) THEN 0 WHEN value > 0 THEN 1 ELSE 2 END AS sort, min({'s': step, 't': t, 'v': value}) AS s "
        f"FROM store.metric_point WHERE {where(asked, lo, hi)} AND NOT isfinite(value) GROUP BY ALL)"
    ).fetchall()
    for run, metric, step, t, value in found:
        at = place.get((run, metric))
        if at is not None:
            answers[at].marks.append((step, t, value))


def vectors(cursor: duckdb.DuckDBPyConnection, asked: Asked, lo: int | None, hi: int | None, rows: int) -> dict[str, Any]:
    """At most about `rows` rows: of each bucket the one with the largest element (a NaN counts as largest), the first and the last."""
    which = where([asked], lo, hi)
    count, first, last = cursor.execute(f"SELECT count(*), min(step), max(step) FROM store.vector_point WHERE {which}").fetchall()[0]
    if count > rows:
        width = max(1, -(-(last - first + 1) // max(1, rows)))
        peaks = cursor.execute(
            f"SELECT -(max({{'m': list_max(v), 's': -step}}).s) FROM store.vector_point WHERE {which} GROUP BY (step - {first}) // {width}"
        ).fetchall()
        which += f" AND {_among('step', sorted({first, last, *(step for (step,) in peaks)}))}"
    found = cursor.execute(f"SELECT step, t, v FROM store.vector_point WHERE {which} ORDER BY step, t").fetchall()
    return {
        "steps": [step for step, _, _ in found],
        "t": [t for _, t, _ in found],
        "v": [[jsonable(element) for element in v] for _, _, v in found],
    }
