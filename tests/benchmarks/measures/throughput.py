"""Benchmark: eight runs at once against the same eight one after another."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

from engine.core.device import cores
from engine.runs.ending import ENDED
from engine.runs.folder import RunFolder
from engine.scheduler.forking import ForkingExecutor
from engine.scheduler.supervisor import Supervisor
from tests.benchmarks.benchmark import Benchmark, Figure
from tests.benchmarks.measures.stacking import queued

RUNS, ROUNDS = 8, 3
WARM_WITHIN = 300.0  # seconds
LAB: tuple[str, str, dict[str, Any]] = ("moe", "collapse", {"steps": 60})  # it cannot be stacked, so that each run has a process
REASON = "A run begins with half a second of its own, and both processes share the memory's bandwidth."


class Throughput(Benchmark):
    """Wall time from the first start to the last end of eight runs, each in a process of one thread, on one core's slot and on all of them;
    one after the other in every round, the best of three rounds."""

    title = "Eight runs at once"
    order = 23

    def measure(self) -> list[Figure]:
        runs, rounds = (4, 1) if self.quick else (RUNS, ROUNDS)
        taken: dict[int, list[float]] = {1: [], cores(): []}
        with tempfile.TemporaryDirectory() as scratch:
            executor = ForkingExecutor(Path(scratch))
            executor.start()
            supervisor = Supervisor(Path(scratch), executor, gpus=[])
            try:
                assert executor.wait(WARM_WITHIN), "the fork server did not become ready"
                for number in range(rounds):
                    for slots in taken:
                        self.say(f"round {number + 1}, {slots} at a time")
                        taken[slots].append(seconds(supervisor, slots, runs, 30 if self.quick else 60))
            finally:
                supervisor.close()
        best = {slots: min(times) for slots, times in taken.items()}
        self.raw["seconds"] = {str(slots): times for slots, times in taken.items()}
        note = f"{best[1] / best[cores()]:.2f} times as many: {runs} runs in {best[cores()]:.1f} s, one after another in {best[1]:.1f} s"
        return [Figure(f"time of {runs} runs, {cores()} at once over one by one", best[cores()] / best[1], "×", 1 / 1.6, note, REASON)]


def seconds(supervisor: Supervisor, slots: int, runs: int, steps: int) -> float:
    """Wall time of so many runs with so many slots.  AssertionError where one does not come to its end."""
    lab, preset, knobs = LAB
    folders: list[RunFolder] = [queued(supervisor.data, lab, preset, {**knobs, "steps": steps}, seed) for seed in range(runs)]
    supervisor.cores = slots
    began = time.perf_counter()
    while any(folder.status() not in ENDED for folder in folders):
        supervisor.step()
        time.sleep(0.02)
    took = time.perf_counter() - began
    assert all(folder.status() in ("finished", "diverged") for folder in folders), [folder.exit() for folder in folders]
    return took
