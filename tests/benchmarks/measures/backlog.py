"""Benchmark: how fast the owner takes in what workers wrote while it was away."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from engine.index.owner import IndexOwner
from engine.runs.folder import new_run
from engine.runs.spool import Spool
from tests.benchmarks.benchmark import Benchmark, Figure, cpu_seconds


class Backlog(Benchmark):
    """A spool of millions of scalars, 100 and 10 to a log call, taken in pass after pass by an owner without a browser: CPU time
    of its process per million scalars; and what sorting and exporting the run costs when it has ended."""

    title = "Ingest of a backlog"
    order = 60

    def measure(self) -> list[Figure]:
        figures = []
        for width, steps in ((100, 4_000 if self.quick else 40_000), (10, 10_000 if self.quick else 100_000)):
            self.say(f"{width * steps:,} scalars, {width} to a call")
            with tempfile.TemporaryDirectory() as scratch:
                speed = backlog(Path(scratch), width, steps)
            self.raw[f"{width}_to_a_call"] = speed
            rate = f"{1 / speed['cpu_seconds_per_million']:.2f} million scalars per CPU-second"
            figures.append(Figure(f"a million scalars, {width} to a call", speed["cpu_seconds_per_million"], "CPU-s", note=rate))
        finish = self.raw["100_to_a_call"]["finish_cpu_seconds_per_million"]
        return [*figures, Figure("sort and export a million points at the end of a run", finish, "CPU-s")]


def backlog(data: Path, width: int, steps: int) -> dict[str, float]:
    """One run whose spool holds `steps` calls of `width` scalars."""
    folder = new_run(data, "moe", {"knobs": {}})
    spool = Spool(folder.path / "spool.1.bin", folder.run)
    names = [(f"metric/{i}", "") for i in range(width)]
    numbers = np.random.default_rng(0)
    for step in range(steps):
        spool.log(step, dict(zip(names, numbers.random(width).tolist(), strict=True)), t=float(step))
    owner = IndexOwner(data)
    taken = cpu_seconds(owner.catch_up)
    if owner.store.show(folder.run)["metrics"]["metric/0"]["points"] != steps:
        raise AssertionError("not every point arrived")
    folder.write_exit("finished", code=0)
    ended = cpu_seconds(owner.catch_up)
    owner.stop()
    millions = width * steps / 1e6
    return {"cpu_seconds_per_million": taken / millions, "finish_cpu_seconds_per_million": ended / millions}
