"""Runs to be compared: arms of the lab `moe` that differ in a knob, with values that a test chooses."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from engine.index.owner import IndexOwner
from tests.support.made_runs import MadeRun

METRIC = "loss/train"
_ORDER = itertools.count()  # runs are made one after the other


def made(
    data: Path,
    seed: int,
    values: Sequence[float],
    *,
    status: str = "finished",
    data_seed: int | None = None,
    preset: str = "collapse",
    router: str = "hash",
    **knobs: Any,
) -> MadeRun:
    """One run that measured `values` of the training loss, step by step; "running" is left alive."""
    order = seed if data_seed is None else data_seed
    whole = {"seed": seed, "data_seed": order, "steps": 100, "lr": 1e-3, "router": {"is": router, "k": 1}} | knobs
    run = MadeRun(data, preset=preset, steps=100, knobs=whole, began=1e9 + next(_ORDER)).declare()
    for value in values:
        run.log({METRIC: value})
    if status == "running":
        return run
    run.end(status)
    (run.folder.path / "proc.json").unlink()  # it names this process, which a fixture may look for and kill
    return run


def arm(data: Path, lasts: Sequence[float], **knobs: Any) -> list[MadeRun]:
    """Runs of seeds 0, 1, …, whose last values these are; one that is not finite diverged."""
    return [made(data, s, [9.0, 8.0, v], status="finished" if math.isfinite(v) else "diverged", **knobs) for s, v in enumerate(lasts)]


def read_in(owner: IndexOwner, runs: Sequence[MadeRun]) -> list[str]:
    """Let the owner read what was written -> the ids."""
    owner.catch_up()
    return [run.run for run in runs]
