"""Runs start together where that was measured to be worth it; nobody is overtaken, and each run keeps its own lock, order and end."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from engine.core import locks
from engine.core.files import read_json
from engine.core.paths import ROOT
from engine.declare import stacks
from engine.runs.folder import RunFolder, new_run
from engine.runs.spool import Spool
from engine.scheduler import control
from engine.scheduler.local import Local
from engine.scheduler.slots import Slots
from engine.scheduler.stacking import MEASURING
from engine.scheduler.supervisor import Supervisor

WORKER = [sys.executable, str(ROOT / "tests" / "support" / "fake" / "stack_worker.py")]
FAST, SLOW = stacks.Cost(2, 9.0, 1.0), stacks.Cost(2, 9.0, 8.0)


def queue(data: Path, who: str = "me", **knobs: Any) -> RunFolder:
    """A queued run; of two the second was made later."""
    given = {"seed": 0, "lr": 0.1, "threads": 1, "device": "cpu", "precision": "fp32", "width": 4, **knobs}
    return new_run(data, "fake", {"preset": None, "edition": 1, "knobs": given, "who": who, "twin": None})


class Measuring(Local):
    """Plain processes; a measurement is noted in `asked_for` and leaves `outcome` behind when it is over."""

    outcome: stacks.Cost | None = None
    over = True

    def measure(self, folders: Sequence[RunFolder]) -> Callable[[], bool]:
        self.measured = [folder.run for folder in folders]
        if self.outcome is not None:
            stacks.note(folders[0].path.parent.parent, folders[0].spec() or {}, self.outcome, 0.0)
        return lambda: self.over


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Supervisor]]:
    made: list[Supervisor] = []

    def one(measured: stacks.Cost | None = FAST, **options: Any) -> Supervisor:
        if measured is not None:
            for members in (2, 4, 8, 16, 32):
                stacks.note(tmp_path, queue(tmp_path / "other").spec() or {}, measured._replace(members=members), 0.0)
        supervisor = Supervisor(tmp_path, Measuring(WORKER), **{"cores": 1, "gpus": [], **options})
        supervisor.stacking.capable = lambda data: {"fake": frozenset({"stack"})}
        made.append(supervisor)
        return supervisor

    yield one
    for folder in (RunFolder(p) for p in (tmp_path / "runs").glob("*")):
        process = folder.process()
        if process is not None and process.alive():
            os.kill(process.pid, signal.SIGKILL)
    for supervisor in made:
        supervisor.close()


def until(supervisor: Supervisor, true: Callable[[], Any], seconds: float = 240.0) -> None:
    limit = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < limit, "it did not happen"
        supervisor.step()
        time.sleep(0.01)


def started(runs: Sequence[RunFolder]) -> list[int | None]:
    """The worker of each, numbered in the order in which they are named."""
    pids = [process.pid if (process := run.process()) else None for run in runs]
    order = list(dict.fromkeys(pid for pid in pids if pid is not None))
    return [None if pid is None else order.index(pid) for pid in pids]


def test_runs_that_differ_in_seeds_and_rates_start_together_in_one_slot(tmp_path: Path, make: Callable[..., Supervisor]) -> None:
    runs = [queue(tmp_path, seed=0), queue(tmp_path, seed=1), queue(tmp_path, lr=0.2), queue(tmp_path, width=8)]
    supervisor = make()
    supervisor.step()
    assert started(runs) == [0, 0, 0, None]
    assert (read_json(runs[1].path / "proc.json") or {})["stack"] == [run.run for run in runs[:3]]
    assert supervisor.queue() == {runs[3].run: "1 of 1 CPU slots are taken"}
    assert supervisor.order._listed("served") == ["me"]
    supervisor.step()
    assert Slots(2, [], runs[:3]).fits(runs[3])[0], "one process takes one slot"


@pytest.mark.parametrize("other", [{"device": "cuda"}, {"threads": 2}, {"probes": "dear"}, {"precision": "bf16"}])
def test_other_devices_threads_probes_and_formats_stay_apart(other: Any, tmp_path: Path, make: Callable[..., Supervisor]) -> None:
    runs = [queue(tmp_path), queue(tmp_path, **other), queue(tmp_path, **other)]
    supervisor = make(cores=1)
    assert [run.run for run in supervisor.stacking.group(runs[0], runs[1:])] == [runs[0].run]


def test_a_lab_that_cannot_and_a_run_that_goes_on_start_alone(tmp_path: Path, make: Callable[..., Supervisor]) -> None:
    supervisor, runs = make(), [queue(tmp_path) for _ in range(3)]
    Spool(runs[1].path / "spool.1.bin", runs[1].run).close()
    assert supervisor.stacking.group(runs[0], runs[1:]) == [runs[0], runs[2]]
    assert supervisor.stacking.group(runs[1], [runs[0], runs[2]]) == [runs[1]]
    supervisor.stacking.capable = lambda data: {"fake": frozenset({"attention"})}
    assert supervisor.stacking.group(runs[0], runs[1:]) == [runs[0]]


def test_nobodys_earlier_run_is_overtaken(tmp_path: Path, make: Callable[..., Supervisor]) -> None:
    mine = [queue(tmp_path, seed=n) for n in range(2)]
    theirs = queue(tmp_path, who="you")
    late = queue(tmp_path, seed=2)
    supervisor = make()
    supervisor.step()
    assert started([*mine, theirs, late]) == [0, 0, None, None], "the late run waits for its turn behind theirs"
    for run in mine:
        supervisor.stop(run.run)
    until(supervisor, lambda: theirs.process() is not None)
    assert late.process() is None


def test_a_paused_run_stays_and_the_others_are_spread_over_free_slots(tmp_path: Path, make: Callable[..., Supervisor]) -> None:
    runs = [queue(tmp_path, seed=n) for n in range(5)]
    supervisor = make(cores=2)
    supervisor.order.pause(runs[1].run)
    supervisor.step()
    assert started(runs) == [0, None, 0, 1, 1]


def test_what_is_measured_to_be_slower_starts_alone_and_says_so(tmp_path: Path, make: Callable[..., Supervisor]) -> None:
    runs = [queue(tmp_path, seed=n) for n in range(2)]
    make(measured=SLOW).step()
    assert started(runs) == [0, None]
    said = stacks.against(tmp_path, runs[0].spec() or {})
    assert said.startswith("Not trained together with others: measured here among ")
    assert "8 ms together and 9 ms alone, 1.1 times as fast, and 1.5 times would be worth it." in said
    assert stacks.reason(tmp_path, runs[0].spec() or {}, 2) == ""


def test_what_was_never_measured_is_measured_first(tmp_path: Path, make: Callable[..., Supervisor]) -> None:
    runs = [queue(tmp_path, seed=n) for n in range(3)]
    supervisor = make(measured=None)
    executor = supervisor.executor
    assert isinstance(executor, Measuring)
    executor.outcome, executor.over = FAST, False
    supervisor.step()
    assert (executor.measured, supervisor.queue()[runs[0].run]) == ([run.run for run in runs[:2]], MEASURING)
    supervisor.step()
    assert started(runs) == [0, 0, 0]


def test_a_measurement_that_leaves_nothing_behind_holds_nobody_up(tmp_path: Path, make: Callable[..., Supervisor]) -> None:
    runs = [queue(tmp_path, seed=n) for n in range(2)]
    supervisor = make(measured=None)
    for _ in range(3):
        supervisor.step()
    assert started(runs) == [0, None]


def test_one_that_ends_is_free_while_the_others_go_on(tmp_path: Path, make: Callable[..., Supervisor]) -> None:
    """Its lock is let go, so it can be resumed, and nobody presses the worker on its account."""
    runs = [queue(tmp_path, seed=n) for n in range(3)]
    supervisor = make(kill_after=0.0, terminate_after=0.0)
    supervisor.step()
    until(supervisor, lambda: all(run.state() for run in runs))
    worker = runs[0].process()
    supervisor.stop(runs[0].run)
    until(supervisor, lambda: runs[0].exit() is not None)
    for _ in range(5):
        supervisor.step()
    assert [run.status() for run in runs] == ["stopped", "running", "running"]
    assert worker is not None
    assert worker.alive()
    assert [run.run for run in runs[1].stack()] == [runs[2].run]
    for run in runs[1:]:
        supervisor.stop(run.run)
    until(supervisor, lambda: all(run.exit() and not locks.is_locked(run.path / "claim") for run in runs))


def test_a_killed_worker_is_told_of_every_run(tmp_path: Path, make: Callable[..., Supervisor]) -> None:
    runs = [queue(tmp_path, seed=n) for n in range(3)]
    supervisor = make()
    supervisor.step()
    os.kill(runs[0].process().pid, signal.SIGKILL)  # type: ignore[union-attr]
    until(supervisor, lambda: all(run.exit() for run in runs))
    assert [(run.status(), (run.exit() or {})["signal"]) for run in runs] == [("killed", "SIGKILL")] * 3


def test_resuming_one_that_is_held_lets_all_go_on(tmp_path: Path, make: Callable[..., Supervisor]) -> None:
    runs = [queue(tmp_path, seed=n) for n in range(2)]
    supervisor = make()
    supervisor.step()
    for run in runs:
        (run.path / "HOLD").touch()
    assert control.resume(runs[0]) == "running"
    assert [run.status() for run in runs] == ["running", "running"]
