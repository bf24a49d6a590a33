"""Benchmark: what many runs trained together cost against the same runs one by one."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from engine.core.catalog import Catalog
from engine.declare.resolve import resolve
from engine.labs.describe import entry
from engine.labs.lab import Lab
from engine.runs.folder import RunFolder, new_run
from engine.worker import main
from tests.benchmarks.benchmark import Benchmark, Figure

SMALL = {"width": 32, "batch_size": 32}
KINDS: dict[str, tuple[str, str, dict[str, Any], float]] = {
    "calm, width and batch 32, probes free": ("consistency", "calm", {**SMALL, "probes": "free"}, 0.25),
    "calm, width and batch 32, probes cheap": ("consistency", "calm", SMALL, 0.35),
    "calm as it is": ("consistency", "calm", {}, 0.5),
    "trainability": ("trainability", "trains", {}, 0.1),
}
REASON = (
    "Each run of a stack still draws its batch, clips, averages its weights and is observed by itself, which takes Python's time. "
    "Next: average the weights of all members in one call."
)


class Stacking(Benchmark):
    """CPU time of a worker, as the fork server forks it, from its start to its exit: one that trains 32 seeds together over 32 times
    the mean of three that train one each."""

    title = "Many seeds trained together"
    order = 24

    def measure(self) -> list[Figure]:
        figures = []
        for name, (lab, preset, knobs, budget) in KINDS.items():
            few = {"steps": 40} if self.quick else {"steps": 200} if lab == "consistency" else {}
            self.say(name)
            found = self.raw[name] = ratio(lab, preset, {**knobs, **few}, members=8 if self.quick else 32, singles=1 if self.quick else 3)
            note = f"{found['single']:.2f} CPU-s alone, {found['stacked']:.2f} a run together"
            figures.append(Figure(f"32 seeds together over 32 alone, {name}", found["ratio"], "×", budget, note, REASON))
        return figures


def ratio(lab: str, preset: str, knobs: Mapping[str, Any], *, members: int, singles: int) -> dict[str, float]:
    """CPU seconds of a run alone and of one among `members`, and the second over the first."""
    with tempfile.TemporaryDirectory() as scratch:
        alone = [worker_seconds([queued(Path(scratch), lab, preset, knobs, seed)]) for seed in range(singles)]
        together = worker_seconds([queued(Path(scratch), lab, preset, knobs, seed) for seed in range(members)]) / members
    single = sum(alone) / len(alone)
    return {"single": single, "stacked": together, "ratio": together / single}


def queued(data: Path, lab: str, preset: str, knobs: Mapping[str, Any], seed: int) -> RunFolder:
    declared = resolve(entry(lab, Catalog("", Lab)[lab]), preset, {"device": "cpu", **knobs, "seed": seed})
    spec = {"edition": declared.edition, "preset": preset, "knobs": declared.nested, "who": "", "parent": None, "twin": None, "sweep": None}
    return new_run(data, lab, spec)


def worker_seconds(folders: Sequence[RunFolder]) -> float:
    """CPU seconds of a forked worker and of what it waits for.  AssertionError where a run does not come to its end."""
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        code = 3
        try:
            code = main.main([str(folder.path) for folder in folders])
        finally:
            os._exit(code)
    _, _, used = os.wait4(child, 0)
    assert all(folder.status() in ("finished", "diverged") for folder in folders), [folder.exit() for folder in folders]
    return used.ru_utime + used.ru_stime
