"""A fork server ends when it is told to, when its server has gone, and when it would warm up for ever; only workers keep it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from engine.core.paths import ROOT
from engine.runs.folder import new_run
from engine.scheduler.forking import ForkingExecutor
from engine.scheduler.supervisor import Supervisor
from tests.support.toy import PATIENCE, until

FAKE = Path(__file__).parents[1] / "support" / "fake"
WARMING, FORK_SERVER = ([sys.executable, str(FAKE / name)] for name in ("warming.py", "fork_server.py"))
SERVER = """
import sys
from pathlib import Path
from engine.scheduler.forking import ForkingExecutor
executor = ForkingExecutor(Path(sys.argv[1]), sys.argv[2:])
executor.start()
print(executor._process.pid, flush=True)
sys.stdin.read()
executor.close()
"""


def started(data: Path, how: str) -> tuple[subprocess.Popen[str], psutil.Process]:
    """A server of its own, and its fork server, which is warming up."""
    command = [sys.executable, "-c", SERVER, str(data), *WARMING, how]
    server = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    fork_server = psutil.Process(int(server.stdout.readline()))
    until(lambda: "warming" in (data / "fork_server.log").read_text())
    return server, fork_server


def is_gone(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.mark.parametrize("how", ["python", "c:60", "child"])
def test_sigterm_ends_one_that_warms_up(tmp_path: Path, how: str) -> None:
    server, fork_server = started(tmp_path, how)
    if how == "child":
        until(fork_server.children)
    family = [fork_server, *fork_server.children()]
    server.kill()  # it would start another one
    with contextlib.suppress(psutil.NoSuchProcess):  # it may have seen already that it is alone
        fork_server.terminate()
    server.communicate(timeout=PATIENCE)
    until(lambda: all(is_gone(process) for process in family))


@pytest.mark.parametrize("how", ["python", "child"])
@pytest.mark.parametrize("kind", ["killed", "closed"])
def test_one_that_warms_up_leaves_when_its_server_has_gone(tmp_path: Path, how: str, kind: str) -> None:
    server, fork_server = started(tmp_path, how)
    if how == "child":
        until(fork_server.children)
    family = [fork_server, *fork_server.children()]
    if kind == "killed":
        server.kill()
    server.communicate(timeout=PATIENCE)
    until(lambda: all(is_gone(process) for process in family))


def test_code_that_never_comes_back_is_ended_by_its_processor_time_and_runs_start_without_a_fork_server(tmp_path: Path) -> None:
    executor = ForkingExecutor(tmp_path, [*WARMING, "c:0.3"])
    executor.start()
    assert executor.wait(PATIENCE)
    assert not executor.warm
    assert f"signal {signal.SIGPROF.value}" in executor.problem
    executor.close()


def test_one_that_is_killed_once_while_it_warms_up_comes_back_and_starts_what_waits(tmp_path: Path) -> None:
    run = new_run(tmp_path, "toy", {"knobs": {"steps": 3, "device": "cpu"}})
    executor = ForkingExecutor(tmp_path, [*WARMING, f"once:{tmp_path / 'killed'}"])
    executor.start()
    supervisor = Supervisor(tmp_path, executor, cores=1, gpus=[])
    until(lambda: (supervisor.step(), run.exit())[1])
    assert run.status() == "finished"
    assert executor.warm, executor.problem
    assert (tmp_path / "fork_server.log").read_text().count("warming") == 2
    fork_server = psutil.Process(executor.pid)
    supervisor.close()
    until(lambda: is_gone(fork_server))


def test_what_is_imported_late_and_never_ends_keeps_nobody_waiting(tmp_path: Path) -> None:
    executor = ForkingExecutor(tmp_path, [*WARMING, "late"])
    executor.start()
    assert executor.wait(PATIENCE)
    fork_server = psutil.Process(executor.pid)
    until(fork_server.children)
    (trying,) = fork_server.children()
    run = new_run(tmp_path, "toy", {"knobs": {"steps": 3, "device": "cpu"}})
    supervisor = Supervisor(tmp_path, executor, cores=1, gpus=[])
    until(lambda: (supervisor.step(), run.exit())[1])
    assert run.status() == "finished"
    assert executor.pid == fork_server.pid
    assert not is_gone(trying)
    supervisor.close()
    until(lambda: is_gone(fork_server) and is_gone(trying))


@pytest.fixture
def executor(tmp_path: Path) -> Iterator[ForkingExecutor]:
    """A warm fork server that reads labs for ever."""
    executor = ForkingExecutor(tmp_path, FORK_SERVER)
    executor.start()
    assert executor.wait(PATIENCE)
    yield executor
    executor.close()


def test_a_fork_server_that_reads_labs_leaves_with_its_server(executor: ForkingExecutor) -> None:
    fork_server = psutil.Process(executor.pid)
    with ThreadPoolExecutor(1) as pool:
        document = pool.submit(executor.labs)
        until(fork_server.children)
        family = [fork_server, *fork_server.children()]
        executor.close()
        until(lambda: all(is_gone(process) for process in family))
        with pytest.raises(ConnectionError):
            document.result(PATIENCE)


def test_a_fork_server_that_is_told_to_leave_minds_its_workers_and_another_takes_over(executor: ForkingExecutor) -> None:
    run = new_run(executor.data, "toy", {"knobs": {"steps": 10**7, "pace": 0.01, "device": "cpu"}})
    supervisor = Supervisor(executor.data, executor, cores=1, gpus=[])
    until(lambda: (supervisor.step(), run.log())[1])
    first = psutil.Process(executor.pid)
    first.terminate()
    until(lambda: executor.warm and executor.pid != first.pid)
    assert run.status() == "running"
    assert not is_gone(first)
    os.kill(run.process().pid, signal.SIGKILL)
    until(lambda: run.exit() is not None)
    assert run.exit()["signal"] == "SIGKILL"
    until(lambda: is_gone(first))
