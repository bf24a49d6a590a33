"""Probes are pure observers: whatever is measured, the losses are the same, bit for bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from engine.core.catalog import Catalog
from engine.labs.lab import Lab
from engine.labs.probe import PRICES
from engine.worker.fit import train
from tests.support.small_labs import SMALL
from tests.support.tiny_lab import Recorded, Tiny, new_folder

OBSERVED = {"loss/validation", "loss/fixed", "loss/ema"}  # losses that a probe asks for, on batches of its own


def curves(lab: Lab, data: Path) -> dict[str, list[str]]:
    """Every loss as its bits, and the weights at the end by way of the final validation."""
    folder = new_folder(data)
    train(lab, folder)
    told = Recorded(folder)
    last = lab.steps - 1
    return {key: [repr(v) for v in told.values(key)] for key in told.points if key.startswith("loss/") and key not in OBSERVED} | {
        "final": [repr(told.points["loss/validation"][last])]
    }


@pytest.mark.parametrize("noise", [0.0, 0.3])
@pytest.mark.parametrize("clip", [0.0, 0.5])
def test_the_losses_of_a_tiny_lab_are_the_same_whatever_is_measured(tmp_path: Path, noise: float, clip: float) -> None:
    free, cheap, dear = (curves(Tiny(steps=110, noise=noise, clip=clip, probes=dial), tmp_path) for dial in PRICES)
    assert len(free["loss/train"]) == 110
    assert free == cheap == dear


def test_validation_leaves_the_random_numbers_of_the_training_alone(tmp_path: Path) -> None:
    class Drawing(Tiny):
        def loss(self, model: Any, batch: Any, step: int) -> Any:
            torch.rand(3)  # drawn in training and in evaluation
            return super().loss(model, batch, step)

    free, cheap = (curves(Drawing(steps=60, noise=0.3, probes=dial), tmp_path) for dial in ("free", "cheap"))
    assert free == cheap


@pytest.mark.parametrize("name", [name for name, lab in Catalog("", Lab).load()[0].items() if "play" not in lab.provides])
@pytest.mark.usefixtures("networks")
def test_the_losses_of_a_lab_are_the_same_whatever_is_measured(tmp_path: Path, name: str) -> None:
    kind = Catalog("", Lab)[name]
    knobs = {"device": "cpu", "steps": 25, "lr": 1e-2, **SMALL.get(name, {})}
    free, cheap, dear = (curves(kind.model_validate({**knobs, "probes": dial}), tmp_path) for dial in PRICES)
    assert len(free["loss/train"]) == 25
    assert free == cheap == dear
