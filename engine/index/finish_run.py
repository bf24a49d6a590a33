"""The end of runs: their rows sorted by metric and step in one transaction, and two Parquet files each for everybody."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path

import duckdb

from engine.core.disk import refused
from engine.core.files import replace

FILES = {"metrics.parquet": ("metric_point", "p.value"), "vectors.parquet": ("vector_point", "p.v, m.shape")}


def finish(cursor: duckdb.DuckDBPyConnection, folders: Mapping[int, Path]) -> dict[int, str]:
    """Sort and export runs (run_id -> folder).  Parquet comes first, so that a kill in between only repeats the work.

    -> of those whose files could not be written (a full disk) a sentence; the index is sorted all the same.
    """
    problems: dict[int, str] = {}
    which = f"run_id IN ({', '.join(map(str, folders))})"
    for name, (table, value) in FILES.items():
        query = f"SELECT * FROM store.{table} WHERE {which} ORDER BY run_id, metric_id, step, t"
        cursor.execute(f"CREATE OR REPLACE TEMP TABLE ended_{table} AS {query}")
        filled = {run_id for (run_id,) in cursor.execute(f"SELECT DISTINCT run_id FROM ended_{table}").fetchall()}
        for run_id, folder in folders.items():
            problem = _export(cursor, folder / name, f"ended_{table} WHERE run_id = {run_id}" if run_id in filled else "", value)
            if problem:
                problems[run_id] = problem
    cursor.execute("BEGIN")
    for table, _ in FILES.values():
        cursor.execute(f"DELETE FROM store.{table} WHERE {which}")
        cursor.execute(f"INSERT INTO store.{table} SELECT * FROM ended_{table}")
    cursor.execute(f"UPDATE store.run SET sorted = true WHERE {which}")
    cursor.execute("COMMIT")
    for table, _ in FILES.values():
        cursor.execute(f"DROP TABLE ended_{table}")
    return problems


def _export(cursor: duckdb.DuckDBPyConnection, path: Path, rows: str, value: str) -> str:
    """Columns name, layer, step, t and the value, of a vector also its shape; no file where there are no `rows`."""
    if not rows:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
        return ""

    def copy(beside: Path) -> None:
        place = str(beside).replace("'", "''")
        cursor.execute(
            f"COPY (SELECT m.name, m.layer, p.step, p.t, {value} FROM (FROM {rows}) p JOIN store.metric_name m USING (metric_id) "
            f"ORDER BY m.name, m.layer, p.metric_id, p.step, p.t) TO '{place}' (FORMAT parquet, COMPRESSION zstd)"
        )

    try:
        replace(path, copy, alone=True)
    except (duckdb.IOException, OSError) as error:
        return f"{path.name} could not be written, for {refused(error) or str(error).splitlines()[0]}; `rebuild` writes it."
    return ""
