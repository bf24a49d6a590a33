"""Benchmark: an index made from the folders of many runs that have ended, and the next start over them."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from engine.index.owner import IndexOwner
from tests.benchmarks.benchmark import Benchmark, Figure, cpu_seconds
from tests.support.made_runs import finished_run


class FirstIndexing(Benchmark):
    """Copies of a short ended run, indexed from nothing by an owner; then a second owner over the same folder, less what one costs over
    an empty folder.  CPU time of its process."""

    title = "Many runs"
    order = 65

    def measure(self) -> list[Figure]:
        few, many = (20, 100) if self.quick else (400, 2000)
        taken: dict[int, float] = {}
        with tempfile.TemporaryDirectory() as scratch:
            nothing = start(Path(scratch) / "empty")
            for count in (few, many):
                self.say(f"{count:,} runs")
                data = folder_of(Path(scratch) / str(count), count)
                taken[count] = start(data)
            again = start(data) - nothing
        self.raw |= {"first": {str(count): seconds for count, seconds in taken.items()}, "again": again, "empty": nothing}
        each = f"{1000 * taken[many] / many:.0f} ms each"
        return [
            Figure(f"first indexing of {many:,} runs against {few:,}", taken[many] / taken[few], "×", 6.0, note=each),
            Figure(f"a later start over {many:,} runs, beyond one over none", again, "CPU-s", 0.3),
        ]


def folder_of(data: Path, count: int, steps: int = 60) -> Path:
    """A data folder of `count` ended runs that nobody has indexed, quiet for an hour."""
    made = finished_run(data, steps=steps).folder.path
    for n in range(1, count):
        shutil.copytree(made, made.with_name(f"20260101-{n:06d}-moe-{n:04x}"))
    for folder in (data / "runs").iterdir():
        an_hour_ago = folder.stat().st_mtime - 3600
        os.utime(folder, (an_hour_ago, an_hour_ago))
    return data


def start(data: Path) -> float:
    """CPU-seconds of an owner until everything is in its index."""
    owners: list[IndexOwner] = []

    def catch_up() -> None:
        owners.append(IndexOwner(data))
        owners[0].catch_up()
        owners[0].store.runs()

    taken = cpu_seconds(catch_up)
    owners[0].stop()
    return taken
