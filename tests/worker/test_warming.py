"""A fork server that is still warming up ends when it is told to, when its server has gone, and when it would loop for ever."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from engine.core.paths import ROOT
from engine.scheduler.forking import ForkingExecutor
from tests.support.toy import PATIENCE, until

WARMING = [sys.executable, str(Path(__file__).parents[1] / "support" / "fake" / "warming.py")]
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


@pytest.mark.parametrize("how", ["python", "c", "child"])
def test_sigterm_ends_one_that_warms_up(tmp_path: Path, how: str) -> None:
    server, fork_server = started(tmp_path, how)
    if how == "child":
        until(fork_server.children)
    family = [fork_server, *fork_server.children()]
    fork_server.terminate()
    until(lambda: all(is_gone(process) for process in family))
    server.communicate(timeout=PATIENCE)  # the next one, which it has started by now, leaves with it


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
    executor = ForkingExecutor(tmp_path, [*WARMING, "c"])
    executor.start()
    assert executor.wait(PATIENCE)
    assert not executor.warm
    assert f"signal {signal.SIGPROF.value}" in executor.problem
    executor.close()


def test_one_that_is_killed_once_while_it_warms_up_comes_back(tmp_path: Path) -> None:
    executor = ForkingExecutor(tmp_path, [*WARMING, f"once:{tmp_path / 'killed'}"])
    executor.start()
    assert executor.wait(PATIENCE)
    assert executor.warm, executor.problem
    assert (tmp_path / "fork_server.log").read_text().count("warming") == 2
    fork_server = psutil.Process(executor.pid)
    executor.close()
    until(lambda: is_gone(fork_server))
