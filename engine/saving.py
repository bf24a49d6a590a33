"""The transaction of one pass: rows of the tables, how far the spools were read, and the rows of the runs, together or not at all."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import duckdb
import pyarrow as pa

from engine.batch import LAST, Batch
from engine.follow import Follower, Row
from engine.names import Directory

TYPES = {
    **dict.fromkeys(("run", "lab", "preset", "status", "who", "sweep", "twin", "knobs", "problem"), pa.string()),
    **dict.fromkeys(("steps", "target", "seed", "dropped"), pa.int64()),
    **dict.fromkeys(("created", "loss_train", "loss_validation"), pa.float64()),
    "sorted": pa.bool_(),
}
RUN_COLUMNS = ", ".join(TYPES)


def save(cursor: duckdb.DuckDBPyConnection, directory: Directory, batch: Batch, followers: Iterable[Follower]) -> None:
    """Commit one pass; on an error the caller rolls back and forgets its memory of it."""
    changed = [f for f in followers if f.row != f.saved or f.offsets != f.saved_offsets or f.reset is not None]
    if not changed and not batch:
        return
    cursor.execute("BEGIN")
    batch.write(cursor)
    for follower in changed:
        if follower.reset is not None:
            _last_before(cursor, directory, follower)
    _save_rows(cursor, changed)
    _save_offsets(cursor, changed)
    cursor.execute("COMMIT")
    directory.unsaved.clear()
    for follower in changed:
        directory.runs[follower.folder.run] = follower.run_id
        follower.saved, follower.saved_offsets = dict(follower.row), dict(follower.offsets)


def rows_of(cursor: duckdb.DuckDBPyConnection, run_id: int) -> Row:
    """The row of a run as the index has it."""
    found = cursor.execute(f"SELECT {RUN_COLUMNS} FROM store.run WHERE run_id = {run_id}").fetchall()[0]
    return dict(zip(TYPES, found, strict=True))


def offsets_of(cursor: duckdb.DuckDBPyConnection, run_id: int) -> dict[int, int]:
    return dict(cursor.execute(f"SELECT attempt, bytes FROM store.ingest_offset WHERE run_id = {run_id}").fetchall())


def forget(cursor: duckdb.DuckDBPyConnection, run_id: int | None = None) -> None:
    """Everything of one run, or of all, out of the index."""
    which = "" if run_id is None else f" WHERE run_id = {run_id}"
    cursor.execute("BEGIN")
    for table in ("metric_point", "vector_point", "event", "ingest_offset", "run"):
        cursor.execute(f"DELETE FROM store.{table}{which}")
    cursor.execute("COMMIT")


def totals(cursor: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    """What the index holds: runs, points, and the problems of runs."""
    tables = ("run", "metric_point", "vector_point")
    runs, scalars, vectors = (cursor.execute(f"SELECT count(*) FROM store.{t}").fetchall()[0][0] for t in tables)
    found = cursor.execute("SELECT run, problem FROM store.run WHERE problem <> '' ORDER BY run").fetchall()
    return {"runs": runs, "points": scalars + vectors, "problems": [f"{run}: {says}" for run, says in found]}


def _save_rows(cursor: duckdb.DuckDBPyConnection, followers: list[Follower]) -> None:
    changed = [f for f in followers if f.row != f.saved]
    if not changed:
        return
    columns = {name: pa.array([f.row[name] for f in changed], kind) for name, kind in TYPES.items()}
    rows = pa.table({"run_id": pa.array([f.run_id for f in changed], pa.int32()), **columns})
    cursor.register("incoming_run", rows)
    settings = ", ".join(f"{name} = i.{name}" for name in TYPES)
    cursor.execute(f"UPDATE store.run SET {settings} FROM incoming_run i WHERE run.run_id = i.run_id")
    cursor.execute(
        f"INSERT INTO store.run (run_id, {RUN_COLUMNS}) SELECT run_id, {RUN_COLUMNS} FROM incoming_run "
        "WHERE run_id NOT IN (SELECT run_id FROM store.run)"
    )
    cursor.unregister("incoming_run")


def _save_offsets(cursor: duckdb.DuckDBPyConnection, followers: list[Follower]) -> None:
    moved = [(f.run_id, a, b) for f in followers for a, b in f.offsets.items() if f.saved_offsets.get(a) != b]
    if not moved:
        return
    columns = ("run_id", "attempt", "bytes")
    rows = pa.table({name: pa.array([m[i] for m in moved], pa.int64()) for i, name in enumerate(columns)})
    cursor.register("incoming_offset", rows)
    cursor.execute(
        "UPDATE store.ingest_offset SET bytes = i.bytes FROM incoming_offset i "
        "WHERE ingest_offset.run_id = i.run_id AND ingest_offset.attempt = i.attempt"
    )
    cursor.execute(
        "INSERT INTO store.ingest_offset SELECT run_id, attempt, bytes FROM incoming_offset i "
        "WHERE NOT EXISTS (FROM store.ingest_offset o WHERE o.run_id = i.run_id AND o.attempt = i.attempt)"
    )
    cursor.unregister("incoming_offset")


def _last_before(cursor: duckdb.DuckDBPyConnection, directory: Directory, follower: Follower) -> None:
    """After a new attempt took back points: the newest loss that is left."""
    for name, column in LAST.items():
        ids = directory.ids.get((name, ""), ())
        if follower.row[column] is None and ids:
            listed = ", ".join(map(str, ids))
            query = f"SELECT arg_max(value, step) FROM store.metric_point WHERE run_id = {follower.run_id} AND metric_id IN ({listed})"
            follower.row[column] = cursor.execute(query).fetchall()[0][0]
