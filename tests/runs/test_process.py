"""Whether a worker lives: yes, no, or the system does not say; only a no makes a run lost."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from engine.index.owner import IndexOwner
from engine.runs import process as module
from engine.runs.folder import RunFolder
from engine.runs.process import Process
from engine.scheduler.local import Local
from tests.support.indexed_runs import begin


class Silent(psutil.Process):
    """A process of which the system tells nothing but that it is there."""

    def status(self) -> Any:
        raise psutil.AccessDenied(self.pid)

    def create_time(self) -> float:
        raise psutil.AccessDenied(self.pid)


def gone() -> int:
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    child.wait()
    return child.pid


def test_a_process_is_alive_dead_or_another_of_the_same_number() -> None:
    mine = Process.of(os.getpid())
    assert (mine.state(), mine.alive()) == ("alive", True)
    assert mine._replace(ticks=mine.ticks + 1).state() == "dead"
    assert Process(gone(), 0.0).state() == "dead"


@pytest.mark.parametrize("ticks", [True, False], ids=["by ticks", "by creation time"])
def test_what_the_system_refuses_to_tell_is_unknown(monkeypatch: pytest.MonkeyPatch, ticks: bool) -> None:
    mine = Process.of(os.getpid())
    mine = mine if ticks else mine._replace(ticks=0)
    monkeypatch.setattr(module.psutil, "Process", Silent)
    assert (mine.state(), mine.alive()) == ("unknown", False)


def test_a_file_of_the_kernel_that_may_not_be_read_is_no_death(monkeypatch: pytest.MonkeyPatch) -> None:
    mine = Process.of(os.getpid())

    def refused(pid: int) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(module, "_ticks", refused)
    assert mine.state() == "unknown"


def test_nobody_calls_a_run_lost_whose_worker_is_unknown(owner: IndexOwner, monkeypatch: pytest.MonkeyPatch) -> None:
    run = begin(owner.data)
    monkeypatch.setattr(module.psutil, "Process", Silent)
    assert run.status() == "running"
    assert Local().status(run) == "running"
    owner.catch_up()
    assert owner.store.runs()[0]["status"] == "running"
    assert run.exit() is None


def test_no_signal_goes_to_a_process_that_may_be_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run: RunFolder = begin(tmp_path)
    sent: list[int] = []
    monkeypatch.setattr(os, "kill", lambda *_: sent.append(1))
    monkeypatch.setattr(os, "killpg", lambda *_: sent.append(1))
    monkeypatch.setattr(module.psutil, "Process", Silent)
    Local().stop(run, "terminate")
    Local().stop(run, "kill")
    assert not sent
