"""One pass of the owner in memory: what was read from all spools, then written in one transaction with the offsets (by indexer.py)."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field

import duckdb
import numpy as np
import polars as pl

from engine.index.ids import Directory
from engine.runs.series import SeriesInfo
from engine.runs.spool import POINTS, VECTOR
from engine.runs.spool_reader import Frame

LAST = {"loss/train": "loss_train", "loss/validation": "loss_validation"}  # kept with the run: the table of runs reads no points
EVENT_COLUMNS = {
    **{"run_id": pl.Int32, "step": pl.Int64, "t": pl.Float64, "kind": pl.String, "rule": pl.String, "layer": pl.String},
    **{"value": pl.Float64, "threshold": pl.Float64, "says": pl.String},
}
NAME_COLUMNS = {
    **{"metric_id": pl.Int32, "name": pl.String, "layer": pl.String, "unit": pl.String, "kind": pl.String},
    "shape": pl.List(pl.Int32),
}


@dataclass
class ColumnBlock:
    """Frames of one run that carry the same series: columns of frames, not of points."""

    run_id: int
    series: tuple[SeriesInfo, ...]
    steps: list[int] = field(default_factory=list)
    ts: list[float] = field(default_factory=list)
    values: list[tuple[float, ...]] = field(default_factory=list)

    def cut(self, start: int) -> None:
        """Forget what a new attempt supersedes."""
        kept = [i for i, step in enumerate(self.steps) if step < start]
        self.steps, self.ts, self.values = ([column[i] for i in kept] for column in (self.steps, self.ts, self.values))


class IngestBatch:
    """Collects frames; `write` puts them into an open transaction."""

    def __init__(self, directory: Directory) -> None:
        self.directory = directory
        self.points: dict[tuple[int, int], ColumnBlock] = {}  # key: run, identity of the schema (kept alive by its block)
        self.vectors: dict[tuple[int, int], ColumnBlock] = {}
        self.events: list[tuple[int, Mapping]] = []
        self.superseded: list[tuple[int, int]] = []

    def __bool__(self) -> bool:
        return bool(self.points or self.vectors or self.events or self.superseded)

    def add(self, run_id: int, frame: Frame) -> None:
        """A frame of points, a vector or an event."""
        if frame.kind in (POINTS, VECTOR):
            blocks = self.points if frame.kind == POINTS else self.vectors
            key = (run_id, id(frame.series))
            block = blocks.get(key)
            if block is None:
                block = blocks[key] = ColumnBlock(run_id, frame.series)
            block.steps.append(frame.step)
            block.ts.append(frame.t)
            block.values.append(frame.values)
        elif frame.data is not None:
            self.events.append((run_id, frame.data))

    def supersede(self, run_id: int, start: int) -> None:
        """A new attempt of the run begins at `start`: what is known of that step and later ones is void."""
        self.superseded.append((run_id, start))
        for block in itertools.chain(self.points.values(), self.vectors.values()):
            if block.run_id == run_id:
                block.cut(start)
        self.events = [(r, e) for r, e in self.events if r != run_id or e["step"] < start]

    def last(self, run_id: int) -> dict[str, float]:
        """The newest value of each metric of LAST that this pass brought, by column."""
        out: dict[str, tuple[int, float]] = {}
        for block in self.points.values():
            if block.run_id != run_id or not block.steps:
                continue
            for column, series in enumerate(block.series):
                if series.name in LAST and not series.layer and block.steps[-1] >= out.get(series.name, (-1, 0.0))[0]:
                    out[series.name] = (block.steps[-1], block.values[-1][column])
        return {LAST[name]: value for name, (_, value) in out.items()}

    def write(self, cursor: duckdb.DuckDBPyConnection) -> None:
        """Everything into the tables, the superseded points out of them; the caller holds the transaction."""
        for run_id, start in self.superseded:
            for table in ("metric_point", "vector_point", "event"):
                cursor.execute(f"DELETE FROM store.{table} WHERE run_id = {run_id} AND step >= {start}")
        _insert(cursor, "metric_point", _points([b for b in self.points.values() if b.steps], self.directory))
        _insert(cursor, "vector_point", _vectors([b for b in self.vectors.values() if b.steps], self.directory))
        _insert(cursor, "event", _events(self.events))
        if self.directory.unsaved:
            _insert(cursor, "metric_name", _names(self.directory))


def execute_with(cursor: duckdb.DuckDBPyConnection, statement: str, rows: pl.DataFrame) -> None:
    """A statement in which `rows` is this frame: DuckDB finds it by its name, which is cheaper than registering a view."""
    cursor.execute(statement)


def _insert(cursor: duckdb.DuckDBPyConnection, table: str, rows: pl.DataFrame | None) -> None:
    if rows is not None and rows.height:
        execute_with(cursor, f"INSERT INTO store.{table} SELECT * FROM rows", rows)


def _points(blocks: list[ColumnBlock], directory: Directory) -> pl.DataFrame | None:
    """Rows by run and then by metric: a series lies together even before the final sorting."""
    if not blocks:
        return None
    columns: list[list[np.ndarray]] = [[], [], [], [], []]
    for block in blocks:
        width, frames = len(block.series), len(block.steps)
        ids = np.fromiter((directory.metric(s) for s in block.series), np.int32, width)
        values = np.fromiter(itertools.chain.from_iterable(block.values), np.float64, width * frames)
        rows = (
            np.full(width * frames, block.run_id, np.int32),
            np.repeat(ids, frames),
            np.tile(np.asarray(block.steps, np.int64), width),
            np.tile(np.asarray(block.ts, np.float64), width),
            values.reshape(frames, width).T.ravel(),
        )
        for column, part in zip(columns, rows, strict=True):
            column.append(part)
    names = ("run_id", "metric_id", "step", "t", "value")
    return pl.DataFrame({name: np.concatenate(parts) for name, parts in zip(names, columns, strict=True)})


def _vectors(blocks: list[ColumnBlock], directory: Directory) -> pl.DataFrame | None:
    if not blocks:
        return None
    return pl.concat(
        pl.DataFrame(
            {
                "run_id": np.full(len(block.steps), block.run_id, np.int32),
                "metric_id": np.full(len(block.steps), directory.metric(block.series[0]), np.int32),
                "step": np.asarray(block.steps, np.int64),
                "t": np.asarray(block.ts, np.float64),
                "v": pl.Series(block.values, dtype=pl.List(pl.Float32)),
            }
        )
        for block in blocks
    )


def _events(events: list[tuple[int, Mapping]]) -> pl.DataFrame | None:
    rows = [{"run_id": run_id, **event} for run_id, event in events]
    return pl.DataFrame(rows, schema=EVENT_COLUMNS) if rows else None


def _names(directory: Directory) -> pl.DataFrame:
    infos = [(number, directory.info[number]) for number in directory.unsaved]
    rows = [(number, i.name, i.layer, i.unit, i.kind, list(i.shape)) for number, i in infos]
    return pl.DataFrame(rows, schema=NAME_COLUMNS, orient="row")
