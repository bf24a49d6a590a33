"""kill -9 of worker, owner and fork server at random moments, most of them in the middle of a log call.

Nothing acknowledged is lost or doubled.

The worker keeps two numbers outside its run: how many log calls have begun, and how many were acknowledged.
"""

from __future__ import annotations

import os
import random
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from engine.index.open_run import open_run
from engine.index.owner import IndexOwner
from engine.runs.ending import ENDED
from engine.runs.folder import RunFolder, new_run
from engine.scheduler.forking import ForkingExecutor
from engine.scheduler.local import Local
from engine.scheduler.supervisor import Supervisor
from tests.faults.test_kill_worker import FAKE, WORKER, until

TIMES = [3, pytest.param(20, marks=pytest.mark.slow)]
WIDE, SLOW = 40, 0.003


def flight_of(run: RunFolder) -> Path:
    return Path((run.spec() or {})["knobs"]["flight"])


def queue(data: Path, number: int, **knobs: Any) -> RunFolder:
    endless = {
        "behave": "stoppable",
        "steps": 10**7,
        "threads": 1,
        "device": "cpu",
        "flight": str(data / f"flight.{number}"),
        "wide": WIDE,
        "slow": SLOW,
    }
    return new_run(data, "fake", {"preset": None, "knobs": endless | knobs, "who": "me", "twin": None})


def calls(run: RunFolder) -> tuple[int, int]:
    """-> (log calls begun, log calls acknowledged)."""
    try:
        return struct.unpack("<2q", flight_of(run).read_bytes())
    except (FileNotFoundError, struct.error):
        return 0, 0


def at_random(chance: random.Random, run: RunFolder) -> None:
    """A moment after some hundred more log calls."""
    least = calls(run)[1] + chance.randrange(1, 60)
    until(lambda: calls(run)[1] >= least)
    time.sleep(chance.random() * 0.006)


def nothing_lost_nothing_twice(owner: IndexOwner, run: RunFolder) -> None:
    """In the index and in the files: every acknowledged call once and in order, at most the one in flight besides."""
    begun, acknowledged = calls(run)
    assert 0 <= begun - acknowledged <= 1
    frame = owner.store.frame(run.run, ["loss/train"])
    steps = frame["step"].to_list()
    assert steps == list(range(len(steps)))
    assert acknowledged <= len(steps) <= begun
    assert frame["value"].to_list() == [1.0 / (step + 1) for step in steps]
    assert owner.store.frame(run.run).height == len(steps) * (4 + WIDE)
    mine = open_run(run.path)
    assert mine.height == len(steps) * (4 + WIDE)
    assert mine.filter(mine["metric"] == "loss/train")["step"].to_list() == steps


@pytest.mark.parametrize("times", TIMES)
def test_killed_workers_lose_nothing_and_are_told(data: Path, times: int) -> None:
    chance, flying = random.Random(times), 0
    owner, supervisor = IndexOwner(data), Supervisor(data, Local(WORKER), cores=1, gpus=[])
    owner.start()
    supervisor.start()
    runs = [queue(data, n) for n in range(times)]
    for run in runs:
        supervisor.wake()
        at_random(chance, run)
        os.kill(run.process().pid, signal.SIGKILL)
        until(lambda run=run: run.exit() is not None)
        begun, acknowledged = calls(run)
        flying += begun > acknowledged
        assert (run.status(), run.exit()["signal"]) == ("killed", "SIGKILL")
    supervisor.close()
    owner.stop()
    assert 2 * flying >= times, "half of the kills came in the middle of a log call"
    again = IndexOwner(data)
    again.catch_up()
    for run in runs:
        nothing_lost_nothing_twice(again, run)
    assert {row["status"] for row in again.store.runs()} == {"killed"}
    again.stop()


@pytest.mark.parametrize("times", TIMES)
def test_killed_servers_leave_no_ghost_and_the_next_one_counts_on(data: Path, times: int) -> None:
    run = queue(data, 0)
    arguments = [sys.executable, str(FAKE / "nursery.py"), str(data), str(times), str(times), str(flight_of(run))]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert 2 * int(done.stdout) >= times, "half of the kills came in the middle of a log call"
    assert run.status() == "running"
    worker = run.process()
    owner, supervisor = IndexOwner(data), Supervisor(data, Local(WORKER), cores=1, gpus=[])
    supervisor.step()
    assert run.process() == worker, "it was adopted, not started again"
    supervisor.stop(run.run)
    until(lambda: run.status() in ENDED, supervisor.step)
    owner.catch_up()
    assert [row["status"] for row in owner.store.runs()] == ["stopped"]
    nothing_lost_nothing_twice(owner, run)
    supervisor.close()
    owner.stop()


@pytest.mark.parametrize("times", TIMES)
def test_killed_fork_server_leave_their_children_in_peace_and_their_ends_are_told(data: Path, times: int) -> None:
    chance, flying = random.Random(times), 0
    executor = ForkingExecutor(data, [sys.executable, str(FAKE / "fork_server.py")])
    executor.start()
    owner, supervisor = IndexOwner(data), Supervisor(data, executor, cores=1, gpus=[])
    owner.start()
    supervisor.start()
    ends = ("stopped", "lost", "finished")
    runs = [queue(data, n, steps=200 if n % 3 == 2 else 10**7) for n in range(times)]
    for number, run in enumerate(runs):
        supervisor.wake()
        at_random(chance, run)
        fork_server, (begun, acknowledged) = executor.pid, calls(run)
        os.kill(fork_server, signal.SIGKILL)
        flying += begun > acknowledged
        until(lambda fork_server=fork_server: executor.warm and executor.pid != fork_server)
        until(lambda run=run, acknowledged=acknowledged: calls(run)[1] > acknowledged)
        assert number % 3 == 2 or run.status() == "running"
        if number % 3 == 0:
            supervisor.stop(run.run)
        elif number % 3 == 1:
            os.kill(run.process().pid, signal.SIGKILL)  # nobody is left who could know the signal
        until(lambda run=run: run.exit() is not None)
        assert run.status() == ends[number % 3]
    supervisor.close()
    owner.stop()
    assert 2 * flying >= times, "half of the kills came in the middle of a log call"
    again = IndexOwner(data)
    again.catch_up()
    for run in runs:
        nothing_lost_nothing_twice(again, run)
    assert {row["run"]: row["status"] for row in again.store.runs()} == {run.run: ends[n % 3] for n, run in enumerate(runs)}
    again.stop()
