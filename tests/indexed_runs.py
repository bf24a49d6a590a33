"""Runs for the tests of store and owner, and what their files say, decoded without the index."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from engine.folder import RunFolder, new_run, write_json
from engine.spool import OPEN, POINTS, Spool, spools
from engine.tail import Tail

KNOBS = {"seed": 3, "steps": 100, "router": {"is": "hash", "k": 2}}


def begin(data: Path, *, living: bool = True, **spec: Any) -> RunFolder:
    """A declared run; a living one counts this process as its worker."""
    folder = new_run(
        data, "moe", {"preset": "collapse", "knobs": KNOBS, "who": "a test", "parent": None, "twin": None, "sweep": None} | spec
    )
    if living:
        folder.write_process(os.getpid())
    return folder


def spool_of(folder: RunFolder, attempt: int = 1, start: int = 0) -> Spool:
    return Spool(folder.path / f"spool.{attempt}.bin", folder.run, attempt=attempt, start=start)


def told_step(folder: RunFolder, step: int, **more: Any) -> None:
    write_json(folder.path / "state.json", {"step": step, "steps": 100, "phase": "training", "dropped": 0, "attempt": 1} | more)


def points_of(folder: RunFolder) -> list[tuple[str, str, int, float, str]]:
    """Every scalar in the spools that no later attempt supersedes, sorted; values as text, so that NaN compares."""
    rows: list[tuple[str, str, int, float, str]] = []
    for path in spools(folder.path):
        for frame in Tail(path).read():
            if frame.kind == OPEN:
                rows = [row for row in rows if row[2] < frame.data["start"]]
            elif frame.kind == POINTS:
                rows += [(s.name, s.layer, frame.step, frame.t, repr(v)) for s, v in zip(frame.series, frame.values, strict=True)]
    return sorted(rows)


def points_in(store: Any, run: str) -> list[tuple[str, str, int, float, str]]:
    """The same from the index."""
    rows = store.frame(run).iter_rows()
    return sorted((m, layer, step, t, repr(v)) for m, layer, index, step, t, v in rows if index is None)
