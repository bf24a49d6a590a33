"""A lab small enough for a test: two linear layers that learn a product, with an attention tap and an auxiliary loss."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from engine.declare.knobs import knob
from engine.labs.common.models.attention_tap import AttentionTap
from engine.labs.common.models.initialise import initialise, named_generator
from engine.labs.lab import Lab
from engine.runs.folder import RunFolder, new_run
from engine.runs.spool import EVENT, POINTS, VECTOR, spools
from engine.runs.spool_reader import SpoolReader


class TinyModel(nn.Module):
    """Two blocks and a head; what lies between is read as queries and keys of one head."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList([nn.Linear(6, 6), nn.Linear(6, 6)])
        self.tap = AttentionTap()
        self.head = nn.Linear(6, 1)
        self.register_buffer("steps_seen", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = torch.tanh(block(x))
            heads = x.view(1, 1, *x.shape)
            self.tap(heads, heads.roll(1, -1))
        return self.head(x)


class Tiny(Lab):
    title = "Tiny"
    presets = {}
    provides = frozenset({"attention"})

    device: str = knob("cpu", "where to train")
    break_at: int = knob(-1, "step at which the loss raises", ge=-1, le=10**6)
    explode_at: int = knob(10**6, "step from which the loss is a hundred times as large", ge=0, le=10**6)
    nan_at: int = knob(10**6, "step from which the loss is not a number", ge=0, le=10**6)
    noise: float = knob(0.0, "noise from torch's global generator", ge=0.0, le=1.0)

    def model(self) -> nn.Module:
        return initialise(TinyModel(), self.seed)

    def batch(self, n: int) -> dict[str, Tensor]:
        order = named_generator(self.seed if self.data_seed is None else self.data_seed, f"batch/{n}")
        x = torch.randn(32, 6, generator=order)
        return {"x": x, "y": x[:, :1] * x[:, 1:2]}

    def loss(self, model: nn.Module, batch: dict[str, Tensor], step: int) -> dict[str, Tensor]:
        if step == self.break_at:
            raise RuntimeError("the lab broke\non purpose")
        out = model(batch["x"])
        if self.noise and model.training:
            out = out + self.noise * torch.randn_like(out)
        factor = 100.0 if step >= self.explode_at else float("nan") if step >= self.nan_at else 1.0
        return {"train": factor * (out - batch["y"]).square().mean(), "size": 0.01 * out.square().mean()}

    def validation(self) -> Iterator[dict[str, Tensor]]:
        for n in (10**6, 10**6 + 1):
            yield self.batch(n)

    def after_step(self, model: nn.Module, step: int) -> None:
        model.steps_seen += 1


def new_folder(data: Path) -> RunFolder:
    return new_run(data, "tiny", {"preset": None, "knobs": {}, "who": "test", "parent": None, "twin": None, "sweep": None})


class Recorded:
    """Everything that the spools of a run tell; a later attempt replaces what an earlier one says of its steps."""

    def __init__(self, folder: RunFolder) -> None:
        self.points: dict[str, dict[int, float]] = {}
        self.vectors: dict[str, dict[int, tuple[float, ...]]] = {}
        self.events: list[dict[str, Any]] = []
        self.steps_of: list[list[int]] = []  # of each attempt, in the order written
        for path in spools(folder.path):
            self.steps_of.append([])
            for frame in SpoolReader(path).read():
                if frame.kind == EVENT:
                    self.events.append(dict(frame.data or {}))
                if frame.kind in (POINTS, VECTOR):
                    self.steps_of[-1].append(frame.step)
                for index, series in enumerate(frame.series):
                    key = f"{series.name}@{series.layer}" if series.layer else series.name
                    if frame.kind == VECTOR:
                        self.vectors.setdefault(key, {})[frame.step] = frame.values
                    else:
                        self.points.setdefault(key, {})[frame.step] = frame.values[index]

    def values(self, key: str) -> list[float]:
        return [self.points[key][step] for step in sorted(self.points[key])]

    def timeless(self) -> dict[str, dict[int, str]]:
        """Every value as its bits, without wall-clock metrics."""
        kept = {**self.points, **self.vectors}
        return {k: {s: repr(v) for s, v in kept[k].items()} for k in sorted(kept) if not k.startswith("time/")}

    def kinds(self) -> list[tuple[int, str]]:
        return [(event["step"], event["kind"]) for event in self.events]


def run_tiny(data: Path, **knobs: Any) -> tuple[str, Recorded, RunFolder]:
    """Train the tiny lab in this process."""
    from engine.worker.fit import train

    folder = new_folder(data)
    status = train(Tiny(**knobs), folder)
    return status, Recorded(folder), folder
