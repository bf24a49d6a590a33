"""Benchmark: what carrying a training costs (Lightning against a plain loop), and what watching it costs (probes, per price)."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch

from engine.core.catalog import Catalog
from engine.declare.resolve import resolve
from engine.labs.describe import entry
from engine.labs.lab import Lab
from engine.labs.probe import PRICES, Probe, attached
from engine.worker.callback import Control
from engine.worker.fit import train
from engine.worker.loop import Training
from tests.benchmarks.benchmark import Benchmark, Figure
from tests.support.tiny_lab import Recorded, new_folder

SMALLEST = {"layers": 1, "experts": 4, "d_model": 32, "heads": 2, "context": 32, "batch_size": 8, "expert_width": 16, "probes": "free"}
REASON = (
    "A reading costs Python's time per layer, and the faster a machine multiplies matrices, the larger a share of a small step that is. "
    "Next: read what asks the network only when a chart of it is open."
)
PRESETS = (("unet", "skips"), ("unet", "healthy"), ("consistency", "unanchored"), ("consistency", "baseline"))


class Overhead(Benchmark):
    """CPU time of the smallest `moe` training by Lightning over the same steps in a plain loop, the best of several rounds in turn;
    and the share that each price of probes adds to the rest of a step of the default `moe` lab, taken inside the run, the best of
    several runs in turn; the same of the cheap probes in whole presets of the other labs."""

    title = "Overhead of a training step"
    order = 20

    def measure(self) -> list[Figure]:
        threads = torch.get_num_threads()
        torch.set_num_threads(1)  # as a worker runs
        try:
            with tempfile.TemporaryDirectory() as scratch:
                return [self.lightning(Path(scratch)), *self.probes(Path(scratch))]
        finally:
            torch.set_num_threads(threads)

    def lightning(self, data: Path) -> Figure:
        lab, rounds = moe(steps=100, **SMALLEST), 2 if self.quick else 7
        plain, ours = [], []
        for n in range(rounds):
            self.say(f"Lightning against a plain loop, round {n + 1} of {rounds}")
            plain.append(plain_loop(lab))
            ours.append(our_loop(lab, data))
        self.raw["lightning"] = {"steps": lab.steps, "plain_cpu_seconds": plain, "ours_cpu_seconds": ours}
        note = f"{min(ours) / lab.steps * 1e3:.1f} ms a step, {min(plain) / lab.steps * 1e3:.1f} ms plain"
        return Figure("Lightning over a plain loop, smallest lab", min(ours) / min(plain), "×", 1.3, note=note)

    def probes(self, data: Path) -> list[Figure]:
        told = {kind.price for kind in attached(Catalog("probes", Probe).load()[0], "dear", moe().provides).values()}
        prices = [price for price in PRICES if price in told]
        shares: dict[str, list[float]] = {price: [] for price in prices}
        rounds = 1 if self.quick else 3
        for n in range(rounds):
            for price in prices:
                self.say(f"probes up to {price}, round {n + 1} of {rounds}")
                shares[price].append(probe_share(moe(steps=150, probes=price), data))
        self.raw["probes"] = shares
        budget = {"cheap": 15.0}
        figures = [Figure(f"probes up to {p}, added to a CPU step", 100 * min(shares[p]), "%", budget.get(p)) for p in prices]
        for lab, preset in PRESETS:
            found = self.raw["probes"][f"{lab} {preset}"] = []
            for n in range(rounds):
                self.say(f"cheap probes of {lab} {preset}, round {n + 1} of {rounds}")
                found.append(probe_share(of_preset(lab, preset, **({"steps": 40} if self.quick else {})), data))
            figures.append(Figure(f"cheap probes of `{lab}`, preset {preset}", 100 * min(found), "%", budget["cheap"], reason=REASON))
        return figures


def moe(**knobs: Any) -> Lab:
    return Catalog("", Lab)["moe"].model_validate({"device": "cpu", "lr": 1e-3, **knobs})


def of_preset(name: str, preset: str, **knobs: Any) -> Lab:
    """The lab as one of its presets declares it, on the CPU."""
    kind = Catalog("", Lab)[name]
    told = entry(name, kind)
    return kind.model_validate(resolve(told, preset, {"device": "cpu", **knobs}).nested)


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


def our_loop(lab: Lab, data: Path) -> float:
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

    first = patch.object(Training, "on_train_start", marked(Training.on_train_start, before=False))
    last = patch.object(Control, "on_train_end", marked(Control.on_train_end, before=True))
    with first, last:
        train(lab, new_folder(data))
    return marks[1] - marks[0]


def probe_share(lab: Lab, data: Path) -> float:
    """Time on probes, detectors and the spool over the time of everything else in the steps of one run.

    Of the clock on the wall, within one run: whatever else the machine does stretches both.
    """
    folder = new_folder(data)
    train(lab, folder)
    told = Recorded(folder)
    watching, steps = sum(told.values("time/probes")), sum(told.values("time/step"))
    return watching / (steps - watching)
