"""What `show` says of every metric of a run: how many points, the last, the extremes, how many are not finite."""

from __future__ import annotations

from typing import Any

import duckdb

from engine.core.nonfinite import jsonable
from engine.index.ids import Directory
from engine.runs.series import series_key

Summary = dict[str, Any]


def summaries(cursor: duckdb.DuckDBPyConnection, directory: Directory, run_id: int) -> dict[str, Summary]:
    """By key of the series; of a vector `last` is a list, and there are `size` and `shape`."""
    return _scalars(cursor, directory, run_id) | _vectors(cursor, directory, run_id)


def _scalars(cursor: duckdb.DuckDBPyConnection, directory: Directory, run_id: int) -> dict[str, Summary]:
    rows = cursor.execute(
        "SELECT metric_id, count(*), arg_max(value, step), min(value) FILTER (isfinite(value)), "
        f"max(value) FILTER (isfinite(value)), count(*) FILTER (NOT isfinite(value)) FROM store.metric_point WHERE run_id = {run_id} "
        "GROUP BY metric_id ORDER BY metric_id"
    ).fetchall()
    return {_key(directory, number): _summary(directory, number, *rest) for number, *rest in rows}


def _vectors(cursor: duckdb.DuckDBPyConnection, directory: Directory, run_id: int) -> dict[str, Summary]:
    finite = "list_filter(v, lambda x: isfinite(x))"
    rows = cursor.execute(
        f"SELECT metric_id, count(*), arg_max(v, {{'s': step, 't': t}}), min(list_min({finite})), max(list_max({finite})), "
        f"sum(len(v) - len({finite}))::BIGINT, max(len(v)) FROM store.vector_point WHERE run_id = {run_id} GROUP BY metric_id "
        "ORDER BY metric_id"
    ).fetchall()
    shape = {number: list(directory.info[number].shape) for number, *_ in rows}
    return {_key(directory, n): {**_summary(directory, n, *rest), "size": size, "shape": shape[n]} for n, *rest, size in rows}


def _key(directory: Directory, number: int) -> str:
    return series_key(directory.info[number].name, directory.info[number].layer)


def _summary(directory: Directory, number: int, points: int, last: Any, low: float, high: float, nonfinite: int) -> Summary:
    info = directory.info[number]
    shown = [jsonable(v) for v in last] if isinstance(last, list) else jsonable(last)
    head = {"unit": info.unit, "kind": info.kind, "points": points, "last": shown}
    return {**head, "min": low, "max": high, "nonfinite": nonfinite}
