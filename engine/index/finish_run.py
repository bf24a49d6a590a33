"""The end of a run: its rows sorted by metric and step in one transaction, and two Parquet files for everybody."""

from __future__ import annotations

from pathlib import Path

import duckdb

from engine.core.disk import refused
from engine.core.files import replace

FILES = {"metrics.parquet": ("metric_point", "p.value"), "vectors.parquet": ("vector_point", "p.v, m.shape")}


def finish(cursor: duckdb.DuckDBPyConnection, run_id: int, folder: Path) -> str:
    """Sort and export one run.  Parquet comes first, so that a kill in between only repeats the work.

    -> a sentence when the files could not be written (a full disk); the index is sorted all the same.
    """
    problem = ""
    for name, (table, value) in FILES.items():
        cursor.execute(
            f"CREATE OR REPLACE TEMP TABLE ended_{table} AS SELECT * FROM store.{table} WHERE run_id = {run_id} ORDER BY metric_id, step, t"
        )
        problem = _export(cursor, folder / name, table, value) or problem
    cursor.execute("BEGIN")
    for table, _ in FILES.values():
        cursor.execute(f"DELETE FROM store.{table} WHERE run_id = {run_id}")
        cursor.execute(f"INSERT INTO store.{table} SELECT * FROM ended_{table}")
    cursor.execute(f"UPDATE store.run SET sorted = true WHERE run_id = {run_id}")
    cursor.execute("COMMIT")
    for table, _ in FILES.values():
        cursor.execute(f"DROP TABLE ended_{table}")
    return problem


def _export(cursor: duckdb.DuckDBPyConnection, path: Path, table: str, value: str) -> str:
    """Columns name, layer, step, t and the value, of a vector also its shape; no file where there is no row."""
    if not cursor.execute(f"SELECT count(*) FROM ended_{table}").fetchall()[0][0]:
        path.unlink(missing_ok=True)
        return ""

    def copy(beside: Path) -> None:
        place = str(beside).replace("'", "''")
        cursor.execute(
            f"COPY (SELECT m.name, m.layer, p.step, p.t, {value} FROM ended_{table} p JOIN store.metric_name m USING (metric_id) "
            f"ORDER BY m.name, m.layer, p.metric_id, p.step, p.t) TO '{place}' (FORMAT parquet, COMPRESSION zstd)"
        )

    try:
        replace(path, copy, alone=True)
    except (duckdb.IOException, OSError) as error:
        return f"{path.name} could not be written, for {refused(error) or str(error).splitlines()[0]}; `rebuild` writes it."
    return ""
