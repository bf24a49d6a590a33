"""The fork server forks workers and the catalog of labs; whatever happens to it, runs end with the truth."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from engine.core.catalog import Catalog
from engine.declare.resolve import resolve
from engine.labs.describe import entry
from engine.labs.lab import Lab
from engine.runs.folder import RunFolder, new_run
from engine.runs.spool import POINTS
from engine.runs.spool_reader import SpoolReader
from engine.scheduler.forking import ForkingExecutor
from engine.scheduler.local import Local
from engine.scheduler.supervisor import Supervisor
from engine.worker.life import NICE

MOE = entry("moe", Catalog("", Lab)["moe"])
SMALL = {"experts": 4, "expert_width": 8, "d_model": 16, "layers": 1, "batch_size": 2, "device": "cpu", "probes": "free"}


def until(true: Callable[[], Any], what: str, seconds: float = 120.0) -> Any:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = true()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError(f"{what} did not happen within {seconds:.0f} s")


def declared(data: Path, **knobs: Any) -> RunFolder:
    declaration = resolve(MOE, "collapse", {**SMALL, **knobs})
    return new_run(data, "moe", {"preset": "collapse", "knobs": declaration.nested, "who": "test", "parent": None, "twin": None})


def losses(folder: RunFolder) -> list[float]:
    frames = SpoolReader(folder.path / "spool.1.bin").read()
    named = [dict(zip([s.name for s in f.series], f.values, strict=True)) for f in frames if f.kind == POINTS]
    return [found["loss/train"] for found in named if "loss/train" in found]


@pytest.fixture(scope="module")
def warm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Supervisor]:
    data = tmp_path_factory.mktemp("fork_server")
    supervisor = Supervisor(data, ForkingExecutor(data), cores=4)
    supervisor.executor.start()
    assert supervisor.executor.wait(120)
    assert supervisor.executor.warm, supervisor.executor.problem
    supervisor.start()
    yield supervisor
    supervisor.close()


def test_a_forked_worker_trains_the_same_curve_as_a_plain_process(warm: Supervisor, tmp_path: Path) -> None:
    forked, plain = declared(warm.data, steps=6), declared(tmp_path, steps=6)
    beside = Supervisor(tmp_path, Local())
    until(lambda: (beside.step(), plain.exit())[1], "the plain run's end")
    until(lambda: forked.status() not in ("queued", "running"), "the forked run's end")
    assert (forked.status(), plain.status()) == ("finished", "finished"), forked.log() + plain.log()
    assert losses(forked) == losses(plain)
    assert len(losses(forked)) == 6
    process = forked.process()
    assert process is not None
    assert process.pid != warm.executor.pid


def test_a_killed_worker_is_told_with_its_signal_and_stays_told(warm: Supervisor) -> None:
    run = declared(warm.data, steps=30_000)
    until(lambda: run.state().get("step", 0) > 3, "training")
    worker = run.process()
    assert worker is not None
    assert psutil.Process(worker.pid).ppid() == warm.executor.pid
    os.kill(worker.pid, signal.SIGKILL)
    until(lambda: run.exit() is not None, "the end")
    assert run.exit()["status"] == "killed"
    assert run.exit()["signal"] == "SIGKILL"


def test_stop_reaches_a_forked_worker(warm: Supervisor) -> None:
    run = declared(warm.data, steps=30_000)
    until(lambda: run.state().get("step", 0) > 3, "training")
    worker = run.process()
    assert worker is not None
    mine, forked = (os.getpriority(os.PRIO_PROCESS, pid) for pid in (warm.executor.pid, worker.pid))
    assert forked == min(19, mine + NICE), "pages and index come before a training"
    warm.stop(run.run)
    until(lambda: run.exit() is not None, "the end")
    assert (run.exit()["status"], run.exit()["code"]) == ("stopped", 6)
    assert (run.path / "ckpt" / "last.ckpt").is_file()


def test_the_catalog_of_labs_comes_from_a_fork(warm: Supervisor) -> None:
    assert [lab["lab"] for lab in warm.executor.labs()["labs"]] == Catalog("", Lab).names()


def test_an_idle_fork_server_imports_what_few_runs_need_after_a_child_has_tried_it(warm: Supervisor) -> None:
    """PyG brings pandas, whose libraries are then mapped; before that the fork server has been answering for a while."""
    maps = Path(f"/proc/{warm.executor.pid}/maps")
    if not maps.exists():
        pytest.skip("the system does not tell what a process has mapped")
    until(lambda: "/pandas/" in maps.read_text(), "the late import")


def test_children_outlive_a_killed_fork_server_and_a_new_one_takes_over(warm: Supervisor) -> None:
    run, first = declared(warm.data, steps=30_000), warm.executor.pid
    until(lambda: run.state().get("step", 0) > 3, "training")
    os.kill(first, signal.SIGKILL)
    until(lambda: warm.executor.warm and warm.executor.pid != first, "a new fork server")
    reached = run.state()["step"]
    assert run.status() == "running"
    until(lambda: run.state()["step"] > reached, "more training")
    warm.stop(run.run)
    until(lambda: run.exit() is not None, "the end")
    assert run.exit()["status"] == "stopped"
    again = declared(warm.data, steps=3)
    until(lambda: again.exit() is not None, "a run of the new fork server")
    assert again.exit()["status"] == "finished", again.log()


def test_a_renewed_fork_server_is_another_process_and_lets_its_children_finish(warm: Supervisor) -> None:
    run, first = declared(warm.data, steps=30_000), warm.executor.pid
    until(lambda: run.state().get("step", 0) > 3, "training")
    warm.executor.renew()
    until(lambda: warm.executor.warm and warm.executor.pid != first, "a new fork server")
    assert psutil.pid_exists(first)
    os.kill(run.process().pid, signal.SIGKILL)
    until(lambda: run.exit() is not None, "the end, told by the old fork server")
    assert run.exit()["signal"] == "SIGKILL"


def test_code_that_changed_is_never_run_from_the_memory_of_an_old_fork_server(warm: Supervisor, monkeypatch: pytest.MonkeyPatch) -> None:
    old = warm.executor.pid
    monkeypatch.setattr(warm.executor, "code", lambda: "a file was edited")
    run = declared(warm.data, steps=30_000)
    until(lambda: run.state().get("step", 0) > 3, "training")
    assert psutil.Process(run.process().pid).ppid() == os.getpid(), "a process of its own, not a fork of the old fork server"
    until(lambda: warm.executor.warm and warm.executor.pid != old, "a new fork server")
    os.kill(run.process().pid, signal.SIGKILL)
    until(lambda: run.exit() is not None, "the end")
    again = declared(warm.data, steps=30_000)
    until(lambda: again.state().get("step", 0) > 3, "training")
    assert psutil.Process(again.process().pid).ppid() == warm.executor.pid, "the new one is asked again"
    os.kill(again.process().pid, signal.SIGKILL)
    until(lambda: again.exit() is not None, "the end")


def test_a_fork_server_leaves_when_its_server_is_gone_and_no_child_lives(tmp_path: Path) -> None:
    executor = ForkingExecutor(tmp_path)
    executor.start()
    assert executor.wait(120)
    fork_server = psutil.Process(executor.pid)
    supervisor, run = Supervisor(tmp_path, executor), declared(tmp_path, steps=30_000)
    supervisor.step()
    until(lambda: run.state().get("step", 0) > 3, "training")
    executor.close()
    reached = run.state()["step"]
    until(lambda: run.state()["step"] > reached, "more training without a server")
    assert fork_server.status() != psutil.STATUS_ZOMBIE
    os.kill(run.process().pid, signal.SIGKILL)
    until(lambda: run.exit() is not None, "the end, told by the fork server alone")
    assert run.exit()["status"] == "killed"
    os.waitpid(fork_server.pid, 0)  # ends at once: nobody is left to serve


def test_without_a_fork_server_runs_start_as_plain_processes_and_say_so(tmp_path: Path) -> None:
    executor = ForkingExecutor(tmp_path, command=[sys.executable, "-c", "raise SystemExit(7)"])
    executor.start()
    assert executor.wait(60)
    assert not executor.warm
    assert "code 7" in executor.problem
    run, supervisor = declared(tmp_path, steps=2), Supervisor(tmp_path, executor)
    until(lambda: (supervisor.step(), run.exit())[1], "the end of a plain run")
    assert run.exit()["status"] == "finished", run.log()
