"""Benchmark: how long after its submission a run has measured its first step, with a warm fork server and without one."""

from __future__ import annotations

import tempfile
import time
from contextlib import closing
from pathlib import Path

from engine.runs.ending import ENDED
from engine.runs.folder import RunFolder, run_folder
from engine.runs.spool import POINTS, spools
from engine.runs.spool_reader import SpoolReader
from engine.scheduler.forking import ForkingExecutor
from engine.scheduler.local import Local
from engine.server.service import Service
from tests.benchmarks.benchmark import Benchmark, Figure, median

PATIENCE = 120.0  # seconds
KNOBS = {"steps": 5, "probes": "free", "device": "cpu"}


class FirstStep(Benchmark):
    """Wall-clock time from the call that submits a run of `moe` to the time that the worker wrote on its first point; the median
    of several runs one after the other.  Warm: forked from the process that has imported torch.  Cold: a plain process."""

    title = "First step after submit"
    order = 30

    def measure(self) -> list[Figure]:
        with tempfile.TemporaryDirectory() as scratch:
            warm = self.runs(Path(scratch) / "warm", ForkingExecutor, 2 if self.quick else 6)
            cold = self.runs(Path(scratch) / "cold", None, 1 if self.quick else 3)
        self.raw.update(warm_seconds=warm, cold_seconds=cold)
        return [
            Figure("warm fork server", median(warm), "s"),
            Figure("cold, importing torch", median(cold), "s", note=f"{median(cold) / median(warm):.0f} × the warm one"),
        ]

    def runs(self, data: Path, warm: type[ForkingExecutor] | None, times: int) -> list[float]:
        executor = warm(data) if warm else Local()
        with closing(Service(data, executor)) as service:
            self.say("reading the labs")
            service.start()
            service.wait_for_labs(PATIENCE)
            if isinstance(executor, ForkingExecutor):
                executor.wait(PATIENCE)
            taken = []
            for n in range(times):
                self.say(f"{'warm' if warm else 'cold'} run {n + 1} of {times}")
                began = time.time()
                folder = run_folder(data, service.launch("moe", "collapse", KNOBS))
                wait_for_end(folder)
                taken.append(first_point(folder) - began)
        return taken


def wait_for_end(folder: RunFolder) -> None:
    until = time.monotonic() + PATIENCE
    while folder.status() not in ENDED:
        if time.monotonic() > until:
            raise TimeoutError(f"{folder.run} is still {folder.status()} after {PATIENCE:.0f} s.")
        time.sleep(0.05)
    if folder.status() != "finished":
        raise RuntimeError(f"{folder.run} ended as {folder.status()}: {(folder.path / 'out.log').read_text()[-500:]}")


def first_point(folder: RunFolder) -> float:
    """Unix time of the first scalar."""
    return next(frame.t for frame in SpoolReader(spools(folder.path)[0]).read() if frame.kind == POINTS)
