"""Runs of a small lab that a worker trains together: their folders, and what became of them."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from engine.declare.knobs import nest
from engine.labs.common.stacked import stacked_loss
from engine.labs.lab import Lab
from engine.labs.stacking import Stacked
from engine.runs.folder import RunFolder, new_run
from engine.worker import stack
from tests.support.tiny_lab import Recorded, Tiny


class Stackable(Tiny):
    """The tiny lab, many of it at once."""

    provides = frozenset({"attention", "stack"})

    def stacked_loss(self, models: Any, leaves: Any, batches: Any, step: int) -> Stacked:
        return stacked_loss(self, models, leaves, batches, step)


def folder_of(data: Path, lab: Lab, name: str = "tiny") -> RunFolder:
    """The folder of a queued run of this lab."""
    knobs = nest(lab.flat(), {n for n in type(lab).model_fields if hasattr(getattr(lab, n), "flat")})
    spec = {"edition": lab.edition, "preset": None, "knobs": knobs, "who": "test", "parent": None, "twin": None, "sweep": None}
    return new_run(data, name, spec)


def train_together(
    data: Path, labs: Sequence[Lab], monkeypatch: pytest.MonkeyPatch, name: str = "tiny", stop: threading.Event | None = None
) -> tuple[list[RunFolder], int]:
    """Train labs of one kind in this process -> their folders, and the exit code."""
    kind = type(labs[0])
    monkeypatch.setattr(torch, "set_num_interop_threads", lambda number: None)  # a process may say it once
    monkeypatch.setattr(stack, "load_lab", lambda spec: kind.model_validate(spec["knobs"]))
    folders = [folder_of(data, lab, name) for lab in labs]
    return folders, stack.work(folders, stop or threading.Event())


def losses(folder: RunFolder, key: str = "loss/train") -> list[float]:
    return Recorded(folder).values(key)
