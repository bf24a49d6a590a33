"""kill -9 while log calls are in flight: every acknowledged point is there exactly once, and no run is left running."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.core.paths import ROOT
from engine.index.owner import IndexOwner
from engine.runs.ending import ENDED
from engine.runs.folder import RunFolder, new_run
from engine.scheduler.local import Local
from engine.scheduler.supervisor import Supervisor

FAKE = ROOT / "tests" / "support" / "fake"
WORKER = [sys.executable, str(FAKE / "worker.py")]
PATIENCE = 60.0


def until(true: Callable[[], Any], step: Callable[[], Any] = lambda: None, seconds: float = PATIENCE) -> None:
    limit = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < limit, "it did not happen"
        step()
        time.sleep(0.002)


def queue(data: Path, **knobs: Any) -> RunFolder:
    endless = {"behave": "stoppable", "steps": 10**7, "threads": 1, "device": "cpu", "ledger": str(data / "acknowledged")}
    return new_run(data, "fake", {"preset": None, "knobs": endless | knobs, "who": "me", "twin": None})


def acknowledged(data: Path) -> list[int]:
    """The list that the worker kept outside its run: one line after each call of `log` that returned True."""
    try:
        return [int(line) for line in (data / "acknowledged").read_text().splitlines()]
    except FileNotFoundError:
        return []


def assert_exactly_once(owner: IndexOwner, run: RunFolder, known: list[int]) -> None:
    """All that was acknowledged is stored once, in order; at most one more point was written and not yet acknowledged."""
    frame = owner.store.frame(run.run, ["loss/train"])
    steps = frame["step"].to_list()
    assert steps == list(range(len(steps)))
    assert known == list(range(len(known)))
    assert 0 <= len(steps) - len(known) <= 1
    assert frame["value"].to_list() == [1.0 / (n + 1) for n in steps]
    assert owner.store.frame(run.run, ["load@a"]).height == 2 * len(steps)


@pytest.mark.parametrize("calls", [1, 150, 3000])
def test_a_killed_worker_loses_nothing_that_was_acknowledged(data: Path, calls: int) -> None:
    run, owner, supervisor = queue(data), IndexOwner(data), Supervisor(data, Local(WORKER), cores=1, gpus=[])
    owner.start()
    supervisor.start()
    until(lambda: len(acknowledged(data)) >= calls)
    os.kill(run.process().pid, signal.SIGKILL)
    until(lambda: owner.store.show(run.run)["status"] in ENDED)
    supervisor.close()
    owner.stop()
    assert run.status() == "killed"
    assert run.exit()["signal"] == "SIGKILL"
    assert "killed by signal SIGKILL" in run.exit()["says"]
    again = IndexOwner(data)
    again.catch_up()
    assert again.store.show(run.run)["status"] == "killed"
    assert_exactly_once(again, run, acknowledged(data))
    again.rebuild()
    assert_exactly_once(again, run, acknowledged(data))
    again.stop()


def serve(data: Path) -> subprocess.Popen[str]:
    """A server of its own, with owner and supervisor, in its own process."""
    server = subprocess.Popen([sys.executable, str(FAKE / "server.py"), str(data)], stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    server.stdout.readline()
    return server


def kill(server: subprocess.Popen[str]) -> None:
    server.kill()
    server.wait()
    assert server.stdout is not None
    server.stdout.close()


def test_a_worker_that_outlives_its_server_is_adopted_by_the_next(data: Path) -> None:
    run = queue(data)
    for target in (200, 1500, 4000):  # three servers die in the middle of their ingest
        server = serve(data)
        until(lambda target=target: len(acknowledged(data)) >= target)
        kill(server)
        assert run.status() == "running"
    worker = run.process()
    owner, supervisor = IndexOwner(data), Supervisor(data, Local(WORKER), cores=1, gpus=[])
    until(lambda: len(acknowledged(data)) >= 6000, supervisor.step)
    assert run.process() == worker, "it was not started a second time"
    supervisor.stop(run.run)
    until(lambda: run.status() in ENDED, supervisor.step)
    assert run.status() == "stopped"
    owner.catch_up()
    assert_exactly_once(owner, run, acknowledged(data))
    supervisor.close()
    owner.stop()


def test_a_worker_killed_after_its_server_is_lost_and_its_points_are_not(data: Path) -> None:
    run, server = queue(data), serve(data)
    until(lambda: len(acknowledged(data)) >= 300)
    kill(server)
    until(lambda: len(acknowledged(data)) >= 600)
    os.kill(run.process().pid, signal.SIGKILL)
    until(lambda: not run.process().alive())
    assert run.status() == "lost", "a reader sees it at once, whoever writes it down later"
    with_page = serve(data)
    until(lambda: run.exit() is not None)
    kill(with_page)
    assert run.exit()["status"] == "lost"
    owner = IndexOwner(data)
    owner.catch_up()
    assert owner.store.show(run.run)["status"] == "lost"
    assert_exactly_once(owner, run, acknowledged(data))
    owner.stop()


def test_everything_killed_at_once_leaves_no_run_running_and_the_queue_goes_on(data: Path) -> None:
    run = queue(data, threads=64)
    waiting = queue(data, threads=64, steps=50, ledger="")
    server = serve(data)
    until(lambda: len(acknowledged(data)) >= 500)
    worker = run.process().pid
    os.kill(server.pid, signal.SIGSTOP)  # it sees nothing of the worker's death before its own
    os.kill(worker, signal.SIGKILL)
    kill(server)
    assert waiting.status() == "queued"
    owner, supervisor = IndexOwner(data), Supervisor(data, Local(WORKER), cores=1, gpus=[])
    until(lambda: waiting.status() in ENDED, supervisor.step)
    owner.catch_up()
    assert [r["status"] for r in owner.store.runs()] == ["lost", "finished"]
    assert_exactly_once(owner, run, acknowledged(data))
    supervisor.close()
    owner.stop()
