"""The supervisor starts each run once, in order, within its slots, and tells the truth about how it ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.core import locks
from engine.core.files import read_json
from engine.core.paths import ROOT
from engine.runs.ending import ENDED
from engine.runs.folder import RunFolder, new_run
from engine.scheduler.local import Local
from engine.scheduler.supervisor import Supervisor

WORKER = [sys.executable, str(ROOT / "tests" / "support" / "fake" / "worker.py")]


def queue(data: Path, **knobs: Any) -> RunFolder:
    return new_run(data, "fake", {"preset": None, "knobs": {"threads": 1, "device": "cpu", **knobs}, "who": "me", "twin": None})


def until(supervisor: Supervisor, true: Callable[[], Any], seconds: float = 60.0) -> None:
    """Step the supervisor until something holds; a generous limit, not a speed."""
    limit = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < limit, "it did not happen"
        supervisor.step()
        time.sleep(0.01)


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Supervisor]]:
    made: list[Supervisor] = []

    def one(**options: Any) -> Supervisor:
        supervisor = Supervisor(tmp_path, Local(WORKER), **{"cores": 2, "gpus": [], **options})
        made.append(supervisor)
        return supervisor

    yield one
    for folder in (RunFolder(p) for p in (tmp_path / "runs").glob("*")):
        process = folder.process()
        if process is not None and process.alive():
            os.kill(process.pid, signal.SIGKILL)
    for supervisor in made:
        supervisor.close()


def test_a_queued_run_is_started_and_finishes(tmp_path: Path, make: Callable[..., Supervisor]) -> None:
    run = queue(tmp_path, steps=5)
    assert run.status() == "queued"
    supervisor = make()
    until(supervisor, lambda: run.status() in ENDED)
    assert run.status() == "finished"
    assert run.exit()["code"] == 0
    assert "fake worker" in supervisor.executor.logs(run)[0]
    until(supervisor, lambda: not locks.is_locked(run.path / "claim"))


def test_slots_hold_back_what_does_not_fit_and_order_is_kept(tmp_path: Path, make: Callable[..., Supervisor]) -> None:
    runs = [queue(tmp_path, behave="stoppable", steps=10**6, pace=0.01, threads=t) for t in (1, 1, 2, 1)]
    supervisor = make()
    supervisor.step()
    assert [r.status() for r in runs] == ["running", "running", "queued", "queued"]
    supervisor.stop(runs[0].run)
    until(supervisor, lambda: runs[0].status() in ENDED)
    supervisor.step()
    assert [r.status() for r in runs[1:]] == ["running", "queued", "queued"], "the run of two threads is next, and is not overtaken"
    supervisor.stop(runs[1].run)
    until(supervisor, lambda: runs[2].status() == "running")
    assert runs[3].status() == "queued"
    supervisor.stop(runs[2].run)
    until(supervisor, lambda: runs[3].status() == "running")


def test_a_run_with_more_threads_than_cores_still_gets_its_turn(tmp_path: Path, make: Callable[..., Supervisor]) -> None:
    run = queue(tmp_path, steps=3, threads=64)
    until(make(), lambda: run.status() == "finished")


def test_each_gpu_takes_one_run_and_cpu_runs_pass_by(tmp_path: Path, make: Callable[..., Supervisor]) -> None:
    endless = {"behave": "stoppable", "steps": 10**6, "pace": 0.01}
    gpu = [queue(tmp_path, device=d, **endless) for d in ("cuda", "cuda:1", "cuda", "cuda")]
    cpu = queue(tmp_path, **endless)
    supervisor = make(gpus=["0", "1"])
    supervisor.step()
    assert [r.status() for r in gpu] == ["running", "running", "queued", "queued"]
    assert cpu.status() == "running"
    assert read_json(gpu[0].path / "proc.json")["gpu"] == "0"
    supervisor.stop(gpu[0].run)
    until(supervisor, lambda: gpu[2].status() == "running")
    assert gpu[2].gpu() == "0"


def test_a_killed_worker_is_killed_with_its_signal_in_words(tmp_path: Path, make: Callable[..., Supervisor]) -> None:
    run = queue(tmp_path, behave="stoppable", steps=10**6, pace=0.01)
    supervisor = make()
    until(supervisor, lambda: run.process() is not None)
    os.kill(run.process().pid, signal.SIGSEGV)
    until(supervisor, lambda: run.exit() is not None)
    assert (run.status(), run.exit()["signal"]) == ("killed", "SIGSEGV")
    assert "killed by signal SIGSEGV" in run.exit()["says"]


@pytest.mark.parametrize(("code", "status"), [(0, "finished"), (4, "diverged"), (6, "stopped"), (3, "failed"), (9, "failed")])
def test_a_worker_that_says_nothing_is_known_by_its_code(tmp_path: Path, make: Callable[..., Supervisor], code: int, status: str) -> None:
    run = queue(tmp_path, behave="mute", code=code, steps=1)
    until(make(), lambda: run.exit() is not None)
    assert run.status() == status
    if status == "failed":
        assert f"code {code}" in run.exit()["says"]


def test_the_word_of_the_worker_stands(tmp_path: Path, make: Callable[..., Supervisor]) -> None:
    run = queue(tmp_path, behave="fail", steps=1)
    until(make(), lambda: run.exit() is not None)
    assert run.exit()["says"] == "ValueError: as it was told to"


def test_a_worker_that_cannot_be_started_has_failed_in_one_sentence(tmp_path: Path) -> None:
    run = queue(tmp_path)
    supervisor = Supervisor(tmp_path, Local(["/nonexistent/python"]), cores=1, gpus=[])
    supervisor.step()
    assert run.status() == "failed"
    assert "could not be started" in run.exit()["says"]
    supervisor.close()


def test_a_worker_that_hangs_after_its_end_is_killed_and_keeps_its_word(tmp_path: Path, make: Callable[..., Supervisor]) -> None:
    run, supervisor = queue(tmp_path, behave="hang", steps=1, threads=2), make(kill_after=0.3)
    next_run = queue(tmp_path, steps=1, threads=2)
    until(supervisor, lambda: run.status() == "finished")
    worker = run.process()
    supervisor.step()
    assert next_run.status() == "queued", "a slot is free when its process has left"
    until(supervisor, lambda: not worker.alive() and next_run.status() == "finished")
    assert run.status() == "finished"


def test_stopping_a_queued_run_stops_it_at_once_and_it_never_starts(tmp_path: Path, make: Callable[..., Supervisor]) -> None:
    run, supervisor = queue(tmp_path), make()
    assert supervisor.stop(run.run) == "stopped"
    supervisor.step()
    assert run.process() is None


def test_stop_asks_then_terminates_then_kills(tmp_path: Path, make: Callable[..., Supervisor]) -> None:
    run = queue(tmp_path, behave="deaf", steps=10**6, pace=0.01)
    supervisor = make(terminate_after=0.05, kill_after=0.4)
    until(supervisor, lambda: len(run.log()) > 0)
    assert supervisor.stop(run.run) == "running"
    until(supervisor, lambda: run.exit() is not None)
    assert run.status() == "killed"
    assert run.exit()["says"] == "It did not answer to stop and was killed by signal SIGKILL."


def test_a_worker_that_answers_to_stop_is_left_in_peace(tmp_path: Path, make: Callable[..., Supervisor]) -> None:
    run, supervisor = queue(tmp_path, behave="stoppable", steps=10**6, pace=0.001), make()
    until(supervisor, lambda: len(run.log()) > 0)
    supervisor.stop(run.run)
    until(supervisor, lambda: run.exit() is not None)
    assert (run.status(), run.exit()["code"], run.exit()["signal"]) == ("stopped", 6, None)


def test_a_new_supervisor_adopts_the_living_and_tells_of_the_dead(tmp_path: Path, make: Callable[..., Supervisor]) -> None:
    endless = {"behave": "stoppable", "steps": 10**6, "pace": 0.01}
    living, dead, waiting = queue(tmp_path, **endless), queue(tmp_path, **endless), queue(tmp_path, **endless)
    first = make()
    first.step()
    first.close()  # as if its process had gone: it minds nothing any more
    os.kill(dead.process().pid, signal.SIGKILL)
    before = living.process()
    second = make()
    until(second, lambda: dead.exit() is not None)
    assert dead.status() == "lost"
    assert living.process() == before
    until(second, lambda: waiting.status() == "running")
    second.stop(living.run)
    until(second, lambda: living.status() == "stopped")


def test_a_starter_killed_before_it_wrote_who_runs_leaves_no_run_that_starts_twice(tmp_path: Path, make: Callable[..., Supervisor]) -> None:
    run = queue(tmp_path, behave="stoppable", steps=10**6, pace=0.01)
    supervisor = make()
    supervisor.step()
    worker = run.process()
    supervisor.close()
    (run.path / "proc.json").unlink()
    other = make()
    other.step()
    assert run.process() is None, "its claim is held by the worker itself"
    os.kill(worker.pid, signal.SIGKILL)


def test_many_supervisors_start_each_run_once(tmp_path: Path) -> None:
    runs = [queue(tmp_path, steps=2) for _ in range(6)]
    code = (
        "import sys, time; sys.path.insert(0, sys.argv[3])\n"
        "from pathlib import Path\n"
        "from engine.scheduler.local import Local\n"
        "from engine.runs.ending import ENDED\n"
        "from engine.runs.folder import all_runs\n"
        "from engine.scheduler.supervisor import Supervisor\n"
        "s = Supervisor(Path(sys.argv[1]), Local([sys.executable, sys.argv[2]]), cores=2, gpus=[])\n"
        "while not all(r.status() in ENDED for r in all_runs(Path(sys.argv[1]))): s.step(); time.sleep(0.001)\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path), WORKER[1], str(ROOT)]
    several = [subprocess.Popen(command) for _ in range(3)]
    assert [p.wait(120) for p in several] == [0, 0, 0]
    for run in runs:
        assert run.status() == "finished"
        assert sum("fake worker" in line for line in run.log()) == 1


def test_the_thread_works_through_a_queue_and_ends(tmp_path: Path, make: Callable[..., Supervisor]) -> None:
    supervisor = make(every=0.01)
    supervisor.start()
    run = queue(tmp_path, steps=3)
    supervisor.wake()
    limit = time.monotonic() + 60
    while run.status() not in ENDED:
        assert time.monotonic() < limit
        time.sleep(0.01)
    supervisor.close()
    assert supervisor.problem == ""
    assert "supervisor" not in {t.name for t in threading.enumerate()}


def test_one_supervisor_is_on_duty_and_the_next_takes_over(tmp_path: Path, make: Callable[..., Supervisor]) -> None:
    first, second = make(), make()
    assert first.step()
    assert not second.step()
    run = queue(tmp_path, steps=3)
    second.step()
    assert run.status() == "queued"
    first.close()
    until(second, lambda: run.status() == "finished")


def test_a_run_is_launched_once_whoever_is_on_duty(tmp_path: Path, make: Callable[..., Supervisor]) -> None:
    run, several = queue(tmp_path, behave="stoppable", steps=10**6, pace=0.01), [make() for _ in range(8)]
    gate, told = threading.Barrier(8), []
    threads = [threading.Thread(target=lambda s=s: (gate.wait(), told.append(s.launch(run)))) for s in several]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(told) == [False] * 7 + [True]
