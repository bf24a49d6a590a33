"""How runs are launched, train and end on a full disk: cases of test_full_disk.py, each on a small disk that is its data folder."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable

import pytest

from engine.runs.ending import ENDED
from engine.runs.folder import all_runs
from engine.runs.spool import Spool, spools
from engine.scheduler.forking import ForkingExecutor
from engine.scheduler.local import Local
from engine.scheduler.supervisor import Supervisor
from engine.server.service import Service
from tests.faults.full_disk.training import training
from tests.faults.test_kill_worker import FAKE, WORKER, queue, until
from tests.support.full_disk import Disk, way
from tests.support.toy import DOCUMENT, Answer, refused

Engine = Callable[..., Answer]
FULL = "The index cannot be written, for the disk is full: runs are read from their own files until it can.\n"
needs_tmpfs = pytest.mark.skipif(way() != "tmpfs", reason="this machine mounts no tmpfs for us")


def passes(supervisor: Supervisor) -> None:
    """A pass; what the disk refuses in it is tried again at the next one."""
    with contextlib.suppress(OSError):
        supervisor.step()


# -- launch ----------------------------------------------------------------------------------------


def test_a_launch_is_refused_in_one_sentence_and_leaves_nothing(disk: Disk, engine: Engine) -> None:
    assert engine("run", "toy", "--json")[0] == 0
    before = all_runs(disk.path)
    disk.fill()
    refused(engine("run", "toy"), 3, f"The run could not be written to {disk.path}: the disk is full.")
    refused(engine("run", "toy", "--detach", "--json"), 3, "the disk is full")
    assert [folder.path for folder in before] == [*(disk.path / "runs").iterdir()], "no half of a run stays"


def test_a_queued_run_waits_for_room(disk: Disk, supervisor: Supervisor) -> None:
    run = queue(disk.path, behave="finish", steps=3, ledger="")
    disk.fill()
    for _ in range(3):
        supervisor.step()
    assert run.status() == "queued"
    assert supervisor.queue() == {run.run: "the disk is full; it starts when there is room"}
    disk.free()
    until(lambda: run.status() == "finished", supervisor.step)


def test_a_page_says_that_nothing_was_started_and_that_the_disk_is_full(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    from pages.parts import cards
    from pages.parts.runs import troubles

    lab = Service(disk.path, Local(WORKER))
    monkeypatch.setattr(lab, "wait_for_labs", lambda: DOCUMENT)
    monkeypatch.setattr(lab, "started", time.time())
    for page in (cards, troubles):
        monkeypatch.setattr(page, "service", lambda: lab)
    try:
        assert not troubles.of_lab()
        disk.fill()
        assert cards.start("toy", "short", False) == (
            [],
            f"Nothing was started. The run could not be written to {disk.path}: the disk is full.",
        )
        assert [sentence for sentence in troubles.of_lab() if "disk is full" in sentence] == troubles.of_lab()
        assert len(troubles.of_lab()) == 1
    finally:
        lab.supervisor.close()
        lab.owner.stop()


# -- training and its end --------------------------------------------------------------------------


def test_a_run_that_finishes_on_a_full_disk_is_finished(disk: Disk, engine: Engine) -> None:
    def fill() -> None:
        until(lambda: any(folder.state().get("step") for folder in all_runs(disk.path)))
        disk.fill()

    filling = threading.Thread(target=fill)
    filling.start()
    code, document, told = engine("run", "toy", "steps=600", "pace=0.002", "--json")
    filling.join()
    assert (code, document["status"], document["steps"]) == (0, "finished", 600)
    assert told == (FULL if way() == "tmpfs" else "")
    run = all_runs(disk.path)[0]
    assert run.state()["dropped"] > 0
    assert document["metrics"]["loss/train"]["points"] == 600 - run.state()["dropped"]
    disk.free()
    code, later, told = engine("show", run.run, "--json")
    assert (code, told, later["status"], later["steps"]) == (0, "", "finished", 600)


def test_a_run_that_is_stopped_on_a_full_disk_is_stopped(disk: Disk, supervisor: Supervisor, engine: Engine) -> None:
    run = training(supervisor)
    disk.fill()
    assert engine("stop", run.run, "--json")[:2] == (0, {"runs": [{"run": run.run, "status": "stopped"}]})
    passes(supervisor)
    assert (run.exit() or {})["code"] == 6
    assert not (run.path / "exit.room").exists()


def test_a_worker_killed_on_a_full_disk_is_killed(disk: Disk, supervisor: Supervisor) -> None:
    run = training(supervisor)
    disk.fill()
    os.kill(run.process().pid, signal.SIGKILL)
    until(lambda: run.status() in ENDED, lambda: passes(supervisor))
    assert run.status() == "killed"
    assert "killed by signal SIGKILL" in (run.exit() or {})["says"]


def test_a_command_that_cannot_write_the_end_of_its_run_says_how_it_ended(disk: Disk, engine: Engine) -> None:
    def fill() -> None:
        until(lambda: any(folder.state().get("step") for folder in all_runs(disk.path)))
        (all_runs(disk.path)[0].path / "exit.room").unlink()
        disk.fill()

    filling = threading.Thread(target=fill)
    filling.start()
    code, document, told = engine("run", "toy", "steps=300", "pace=0.002", "behave=mute", "code=3")
    filling.join()
    assert (code, document) == (3, "")
    assert f"{all_runs(disk.path)[0].run} ended with code 3, which cannot be written, for the disk is full." in told


@pytest.mark.parametrize("how", ["plain process", "fork"])
def test_an_end_for_which_no_room_was_kept_is_told_when_there_is_room(disk: Disk, how: str) -> None:
    command = [sys.executable, str(FAKE / "fork_server.py")]
    executor = Local(WORKER) if how == "plain process" else ForkingExecutor(disk.path, command, code=lambda: "one")
    executor.start()
    supervisor = Supervisor(disk.path, executor, cores=1, gpus=[])
    until(lambda: executor.ready)
    run = training(supervisor, behave="mute", steps=300)
    (run.path / "exit.room").unlink()
    disk.fill()
    process = run.process()
    assert process is not None
    until(lambda: not process.alive(), lambda: passes(supervisor))
    for _ in range(5):
        passes(supervisor)
    assert run.status() == "running", "nobody calls it lost while somebody knows better"
    disk.free()
    until(lambda: run.status() in ENDED, lambda: passes(supervisor))
    assert run.status() == "finished"
    supervisor.close()


@needs_tmpfs
def test_a_checkpoint_that_the_disk_refuses_is_told_by_the_end(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    from torch import nn

    from engine.worker.main import work
    from engine.worker.progress import Last
    from tests.support.tiny_lab import Tiny, new_folder

    class Stopping(Tiny):
        def after_step(self, model: nn.Module, step: int) -> None:
            if step == 20:
                (folder.path / "STOP").touch()
                disk.fill()

    folder = new_folder(disk.path)
    monkeypatch.setattr("engine.worker.main.load_lab", lambda spec: Stopping(steps=5000))
    monkeypatch.setattr("torch.set_num_interop_threads", lambda n: None)
    last = Last()
    message = "Its last checkpoint could not be written, for the disk is full: resumed, it begins again at step 0."
    assert work(folder, threading.Event(), last) == ("stopped", message)
    assert 21 <= last.step < 5000
    assert not list((folder.path / "ckpt").iterdir())
    with pytest.raises(OSError, match="could not be begun") as begun:
        Spool(folder.path / "spool.2.bin", folder.run)
    assert "No space left" in str(begun.value.__cause__)
    assert len(spools(folder.path)) == 1, "an attempt that could not begin leaves no file"
