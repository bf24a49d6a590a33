"""The name of a folder is its run, everywhere: a copy stands beside its original and is deleted without it."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from engine.core import locks
from engine.index.owner import IndexOwner
from engine.runs.folder import RunFolder, new_run, run_folder
from engine.scheduler.control import delete
from engine.scheduler.local import Local
from tests.support.made_runs import finished_run


@pytest.fixture
def pair(tmp_path: Path) -> tuple[RunFolder, RunFolder]:
    """An ended run and a copy of its folder under another id."""
    made = finished_run(tmp_path, steps=20)
    copy = made.folder.path.with_name(made.run[:-4] + ("ffff" if not made.run.endswith("ffff") else "0000"))
    shutil.copytree(made.folder.path, copy)
    return made.folder, RunFolder(copy)


def test_a_copy_is_a_run_of_its_own(pair: tuple[RunFolder, RunFolder], tmp_path: Path) -> None:
    original, copy = pair
    assert (copy.spec() or {})["run"] == copy.run
    owner = IndexOwner(tmp_path)
    owner.catch_up()
    try:
        assert {row["run"] for row in owner.store.runs()} == {original.run, copy.run}
        shown = {one.run: owner.store.show(one.run) for one in pair}
        assert shown[copy.run]["run"] == copy.run
        assert shown[copy.run]["metrics"] == shown[original.run]["metrics"]
        assert owner.store.frame(copy.run).equals(owner.store.frame(original.run), null_equal=True)
    finally:
        owner.stop()


def test_deleting_the_copy_leaves_the_original(pair: tuple[RunFolder, RunFolder], tmp_path: Path) -> None:
    original, copy = pair
    before = {path.name: path.read_bytes() for path in original.path.iterdir() if path.is_file()}
    delete(run_folder(tmp_path, (copy.spec() or {})["run"]))
    assert not copy.path.exists()
    assert {path.name: path.read_bytes() for path in original.path.iterdir() if path.is_file()} == before


def test_a_copy_of_a_running_folder_has_no_worker_and_its_stop_does_not_reach_the_original(tmp_path: Path) -> None:
    folder = new_run(tmp_path, "moe", {"knobs": {}})
    lock = locks.take(folder.path / "claim")
    assert lock is not None
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"], pass_fds=(lock.fd,), start_new_session=True) as worker:
        try:
            folder.write_process(worker.pid)
            lock.release()
            copy = RunFolder(shutil.copytree(folder.path, folder.path.with_name(folder.run[:-4] + "ffff")))
            assert (folder.status(), copy.status()) == ("running", "lost")
            executor = Local()
            for urgency in ("terminate", "kill"):
                executor.stop(copy, urgency)
            assert worker.poll() is None
            assert executor.status(copy) == "lost"
            assert "copy" in (copy.exit() or {})["says"]
            assert folder.status() == "running"
            executor.stop(folder, "kill")
            assert worker.wait(30) == -signal.SIGKILL
        finally:
            worker.kill()
    assert folder.status() == "lost"
