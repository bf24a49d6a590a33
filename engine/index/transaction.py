"""The transaction of one pass: rows of the tables, how far the spools were read, and the rows of the runs, together or not at all."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import duckdb
import polars as pl

from engine.index.batch import LAST, IngestBatch, execute_with
from engine.index.follower import Follower, Row
from engine.index.ids import Directory

TYPES = {
    **dict.fromkeys(("run", "lab", "preset", "status", "who", "sweep", "twin", "knobs", "problem"), pl.String),
    **dict.fromkeys(("steps", "target", "seed", "dropped"), pl.Int64),
    **dict.fromkeys(("created", "loss_train", "loss_validation", "folder_time"), pl.Float64),
    "sorted": pl.Boolean,
}
RUN_COLUMNS = ", ".join(TYPES)
LOSSES = frozenset(LAST.values())
WORN = 1000  # rows of offsets of one run


def save(cursor: duckdb.DuckDBPyConnection, directory: Directory, batch: IngestBatch, followers: Iterable[Follower]) -> None:
    """Commit one pass; on an error the caller rolls back and forgets its memory of it."""
    touched = [f for f in followers if f.offsets != f.saved_offsets or f.reset is not None or _differs(f)]
    if not touched and not batch:
        return
    cursor.execute("BEGIN")
    batch.write(cursor)
    for follower in touched:
        if follower.reset is not None:
            _last_before(cursor, directory, follower)
    rows = [f for f in touched if _differs(f)]
    _save_rows(cursor, rows)
    _save_offsets(cursor, touched)
    cursor.execute("COMMIT")
    directory.unsaved.clear()
    for follower in rows:
        directory.runs[follower.folder.run] = follower.run_id
        follower.saved = dict(follower.row)
    for follower in touched:
        follower.saved_offsets = dict(follower.offsets)


def _differs(follower: Follower) -> bool:
    """The index should say something else of the run.  A new last loss alone is saved with the next step count."""
    if follower.saved is None or follower.reset is not None:
        return True
    return any(value != follower.saved[name] for name, value in follower.row.items() if name not in LOSSES or follower.saved[name] is None)


def rows_of(cursor: duckdb.DuckDBPyConnection, run_id: int) -> Row:
    """The row of a run as the index has it; KeyError when the run was deleted meanwhile."""
    found = cursor.execute(f"SELECT {RUN_COLUMNS} FROM store.run WHERE run_id = {run_id}").fetchall()
    if not found:
        raise KeyError("This run was deleted a moment ago.")
    return dict(zip(TYPES, found[0], strict=True))


def known(cursor: duckdb.DuckDBPyConnection, run_ids: Collection[int]) -> dict[int, tuple[Row, dict[int, int]]]:
    """Of each run its row, and the bytes read of its spools by attempt, as the index has them."""
    if not run_ids:
        return {}
    which = f"WHERE run_id IN ({', '.join(map(str, run_ids))})"
    rows = cursor.execute(f"SELECT run_id, {RUN_COLUMNS} FROM store.run {which}").fetchall()
    out: dict[int, tuple[Row, dict[int, int]]] = {run_id: (dict(zip(TYPES, row, strict=True)), {}) for run_id, *row in rows}
    offsets = f"SELECT run_id, attempt, max(bytes) FROM store.ingest_offset {which} GROUP BY run_id, attempt"
    for run_id, attempt, size in cursor.execute(offsets).fetchall():
        if run_id in out:
            out[run_id][1][attempt] = size
    return out


def left_alone(cursor: duckdb.DuckDBPyConnection) -> dict[str, float]:
    """Run -> modification time of its folder when nothing was left to do with it."""
    return dict(cursor.execute("SELECT run, folder_time FROM store.run WHERE folder_time IS NOT NULL").fetchall())


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
    found = cursor.execute(
        "SELECT run, problem FROM store.run WHERE problem <> '' UNION ALL "
        "SELECT run, says FROM store.event JOIN store.run USING (run_id) WHERE kind = 'damage' ORDER BY ALL"
    ).fetchall()
    return {"runs": runs, "points": scalars + vectors, "problems": [f"{run}: {message}" for run, message in found]}


def _save_rows(cursor: duckdb.DuckDBPyConnection, followers: list[Follower]) -> None:
    for new in (True, False):
        chosen = [f for f in followers if (f.saved is None) is new]
        if not chosen:
            continue
        rows = pl.DataFrame([{"run_id": f.run_id, **f.row} for f in chosen], schema={"run_id": pl.Int32, **TYPES})
        if new:
            execute_with(cursor, f"INSERT INTO store.run (run_id, {RUN_COLUMNS}) SELECT run_id, {RUN_COLUMNS} FROM rows", rows)
        else:
            settings = ", ".join(f"{name} = rows.{name}" for name in TYPES)
            execute_with(cursor, f"UPDATE store.run SET {settings} FROM rows WHERE run.run_id = rows.run_id", rows)


def _save_offsets(cursor: duckdb.DuckDBPyConnection, followers: list[Follower]) -> None:
    """One more row for each spool that was read further: the largest counts.  Now and then the old rows go."""
    worn = [f for f in followers if f.offset_rows > WORN]
    for follower in worn:
        cursor.execute(f"DELETE FROM store.ingest_offset WHERE run_id = {follower.run_id}")
        follower.offset_rows, follower.saved_offsets = 0, {}
    moved = [(f.run_id, attempt, size) for f in followers for attempt, size in f.offsets.items() if f.saved_offsets.get(attempt) != size]
    if moved:
        cursor.execute(f"INSERT INTO store.ingest_offset VALUES {', '.join(map(str, moved))}")
    for follower in followers:
        follower.offset_rows += 1


def _last_before(cursor: duckdb.DuckDBPyConnection, directory: Directory, follower: Follower) -> None:
    """After a new attempt took back points: the newest loss that is left."""
    for name, column in LAST.items():
        ids = directory.ids.get((name, ""), ())
        if follower.row[column] is None and ids:
            listed = ", ".join(map(str, ids))
            query = f"SELECT arg_max(value, step) FROM store.metric_point WHERE run_id = {follower.run_id} AND metric_id IN ({listed})"
            follower.row[column] = cursor.execute(query).fetchall()[0][0]
