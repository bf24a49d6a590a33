"""Runs and owners for the tests of the index, and what the files say, decoded without it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import duckdb
import pytest

from engine.core.files import write_json
from engine.index import batch, transaction
from engine.index.owner import IndexOwner
from engine.runs.event import Event
from engine.runs.folder import RunFolder, new_run
from engine.runs.spool import OPEN, POINTS, Spool, spools
from engine.runs.spool_reader import SpoolReader
from tests.support.minded import mind

LAYER = "blocks.0.moe"
KNOBS = {"seed": 3, "steps": 100, "router": {"is": "hash", "k": 2}}


def begin(data: Path, *, living: bool = True, **spec: Any) -> RunFolder:
    """A declared run; a living one counts this process as its worker."""
    folder = new_run(
        data, "moe", {"preset": "collapse", "knobs": KNOBS, "who": "a test", "parent": None, "twin": None, "sweep": None} | spec
    )
    if living:
        mind(folder)
    return folder


def spool_of(folder: RunFolder, attempt: int = 1, start: int = 0) -> Spool:
    return Spool(folder.path / f"spool.{attempt}.bin", folder.run, attempt=attempt, start=start)


def told_step(folder: RunFolder, step: int, **more: Any) -> None:
    write_json(folder.path / "state.json", {"step": step, "steps": 100, "phase": "training", "dropped": 0, "attempt": 1} | more)


def points_of(folder: RunFolder) -> list[tuple[str, str, int, float, str]]:
    """Every scalar in the spools that no later attempt supersedes, sorted; values as text, so that NaN compares."""
    rows: list[tuple[str, str, int, float, str]] = []
    for path in spools(folder.path):
        for frame in SpoolReader(path).read():
            if frame.kind == OPEN:
                rows = [row for row in rows if row[2] < frame.data["start"]]
            elif frame.kind == POINTS:
                rows += [(s.name, s.layer, frame.step, frame.t, repr(v)) for s, v in zip(frame.series, frame.values, strict=True)]
    return sorted(rows)


def points_in(store: Any, run: str) -> list[tuple[str, str, int, float, str]]:
    """The same from the index."""
    rows = store.frame(run).iter_rows()
    return sorted((m, layer, step, t, repr(v)) for m, layer, index, step, t, v in rows if index is None)


class Owners:
    """Owners of one folder, all closed at the end."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.made: list[IndexOwner] = []

    def __call__(self, **how: Any) -> IndexOwner:
        self.made.append(IndexOwner(self.data, **how))
        return self.made[-1]


def log(spool: Spool, steps: range, scale: float = 1.0) -> None:
    for step in steps:
        scalars = {("loss/train", ""): scale * step, ("grad_norm", LAYER): math.nan if step % 7 == 0 else scale}
        vectors = {("router/load", LAYER): [step, scale]} if step % 2 == 0 else None
        assert spool.log(step, scalars, vectors, [Event(step, "spike", value=scale)] if step % 10 == 0 else [], t=1000.0 + step)


def everything(owner: IndexOwner, run: str) -> tuple[Any, ...]:
    store = owner.store
    drawn = (
        store.series(run, "loss/train", points=20),
        store.series(run, "grad_norm", LAYER),
        store.vectors(run, "router/load", LAYER, rows=9),
    )
    return (store.show(run), *drawn, store.frame(run).rows().__repr__(), store.names(run), store.upto(run))


def break_at(monkeypatch: pytest.MonkeyPatch, table: str) -> None:
    """The disk is full when the transaction comes to `table`."""

    def full(*_: Any) -> None:
        raise duckdb.IOException("No space left on disk")

    if table in ("run", "ingest_offset"):
        monkeypatch.setattr(transaction, "_save_rows" if table == "run" else "_save_offsets", full)
    else:
        insert = batch._insert
        monkeypatch.setattr(batch, "_insert", lambda cursor, into, rows: full() if into == table else insert(cursor, into, rows))


def measured(owner: IndexOwner) -> RunFolder:
    """A hundred steps of everything: a NaN, both infinities, a vector that changes its largest element, two events."""
    folder = begin(owner.data)
    spool = spool_of(folder)
    spool.describe("loss/train", unit="nats")
    for step in range(100):
        loss = {20: math.nan, 21: math.inf, 50: -math.inf}.get(step, 5.0 - step / 100)
        scalars = {("loss/train", ""): loss, ("grad_norm", ""): 1.0, ("grad_norm", LAYER): float(step)}
        load = [step / 100, 9.0 if step == 33 else 0.5, math.inf if step == 77 else 0.0]
        happened = [Event(step, "spike", "loss_spike", "", math.inf, 2.5, "The loss jumped.")] if step == 21 else []
        spool.log(step, scalars, {("router/load", LAYER): load} if step % 3 == 0 or step == 77 else None, happened, t=1000.0 + step)
    spool.log(99, {("loss/validation", ""): 4.25}, events=[Event(5, "checkpoint", message="Saved.")], t=1100.0)
    told_step(folder, 100)
    owner.catch_up()
    return folder
