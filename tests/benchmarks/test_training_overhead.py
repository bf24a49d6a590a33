"""What carrying and watching cost: Lightning against a plain loop, the cheap probes against the step that they watch.

Ratios, the best of several rounds, so that a busy machine delays the answer and does not change it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from engine.catalog import Catalog
from engine.control import Control
from engine.lab import Lab
from engine.training import Training, train
from tests.tiny_lab import Told, new_folder

ROUNDS = 10  # at most
STEPS = 100
SMALLEST = {"layers": 1, "experts": 4, "d_model": 32, "heads": 2, "context": 32, "batch_size": 8, "expert_width": 16, "probes": "free"}


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """As a worker runs; threads that wait for each other burn CPU time that is nobody's work."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def moe(**knobs: Any) -> Lab:
    return Catalog("engine.labs", Lab)["moe"].model_validate({"device": "cpu", "lr": 1e-3, **knobs})


def plain_loop(lab: Lab) -> float:
    """CPU seconds of the same training without Lightning and without an observer."""
    model = lab.model()
    optimizer = lab.optimizer.build(model.named_parameters(), lab.lr)
    started = time.process_time()
    for n in range(lab.steps):
        for group in optimizer.param_groups:
            group["lr"] = lab.learning_rate(n)
        losses = lab.loss(model, lab.batch(n), n)
        optimizer.zero_grad(set_to_none=True)
        sum(losses.values()).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), lab.clip)
        optimizer.step()
        lab.after_step(model, n)
        losses["train"].item()
    return time.process_time() - started


def our_loop(lab: Lab, data: Path, patch: pytest.MonkeyPatch) -> float:
    """CPU seconds from the first step to the last of a training by Lightning, data included."""
    marks: list[float] = []

    def marked(method: Callable[..., Any], before: bool) -> Callable[..., Any]:
        def call(*arguments: Any) -> None:
            if before:
                marks.append(time.process_time())
            method(*arguments)
            if not before:
                marks.append(time.process_time())

        return call

    with patch.context() as during:
        during.setattr(Training, "on_train_start", marked(Training.on_train_start, before=False))
        during.setattr(Control, "on_train_end", marked(Control.on_train_end, before=True))
        train(lab, new_folder(data))
    return marks[1] - marks[0]


def test_lightning_costs_at_most_thirty_percent_of_a_plain_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lab = moe(steps=STEPS, **SMALLEST)
    plain, ours = [], []
    while len(ours) < 2 or (len(ours) < ROUNDS and min(ours) > 1.3 * min(plain)):
        plain.append(plain_loop(lab))
        ours.append(our_loop(lab, tmp_path, monkeypatch))
    assert min(ours) <= 1.3 * min(plain), f"{min(ours):.3f} s against {min(plain):.3f} s for {lab.steps} steps"


def test_the_cheap_probes_cost_at_most_fifteen_percent_of_a_step(tmp_path: Path) -> None:
    """Of the clock on the wall, within one run: whatever else the machine does stretches both."""
    lab = moe(steps=150)
    shares: list[float] = []
    while len(shares) < 3 and min(shares, default=1.0) > 0.15:
        folder = new_folder(tmp_path)
        train(lab, folder)
        told = Told(folder)
        shares.append(sum(told.values("time/probes")) / sum(told.values("time/step")))
    assert min(shares) <= 0.15, f"shares of the step: {shares}"
