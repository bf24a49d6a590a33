"""kill -9 around a real training: one of the owner, one of the fork server, one of the worker; and a run killed in its first second."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.index.open_run import open_run
from engine.index.owner import IndexOwner
from engine.runs.ending import ENDED
from engine.runs.folder import RunFolder
from engine.scheduler import control
from engine.scheduler.forking import ForkingExecutor
from engine.scheduler.supervisor import Supervisor
from tests.worker.test_fork_server import declared, until

ROOT = Path(__file__).resolve().parent.parent.parent
OWNER = """
import sys
from pathlib import Path
from engine.index.owner import IndexOwner
owner = IndexOwner(Path(sys.argv[1]))
print(owner.role, flush=True)
while True:
    owner.step()
"""


@pytest.fixture(scope="module")
def warm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Supervisor]:
    data = tmp_path_factory.mktemp("training")
    supervisor = Supervisor(data, ForkingExecutor(data), cores=4)
    supervisor.executor.start()
    assert supervisor.executor.wait(300)
    supervisor.start()
    yield supervisor
    supervisor.close()


def losses(run: RunFolder) -> list[tuple[int, float]]:
    frame = open_run(run.path)
    frame = frame.filter(frame["metric"] == "loss/train")
    return list(zip(frame["step"].to_list(), frame["value"].to_list(), strict=True))


def test_a_run_killed_in_its_first_second_is_resumed_to_the_same_curve(warm: Supervisor) -> None:
    whole, run = declared(warm.data, steps=8), declared(warm.data, steps=8)
    until(lambda: run.process(), "a worker")
    os.kill(run.process().pid, signal.SIGKILL)
    until(lambda: run.exit() is not None, "its end")
    if run.status() == "finished":
        pytest.fail("it was too quick to be killed")
    assert run.status() == "killed"
    assert not (run.path / "ckpt" / "last.ckpt").exists()
    control.resume(run)
    until(lambda: run.status() in ENDED and whole.status() in ENDED, "the ends")
    assert (run.status(), whole.status()) == ("finished", "finished"), run.log()
    assert losses(run) == losses(whole)
    assert [step for step, _ in losses(run)] == list(range(8))


def test_a_training_outlives_owner_and_fork_server_and_its_points_outlive_it(warm: Supervisor) -> None:
    run = declared(warm.data, steps=100_000)
    with subprocess.Popen([sys.executable, "-c", OWNER, str(warm.data)], cwd=ROOT, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout.readline() == "owner\n"
        until(lambda: run.state().get("step", 0) > 20, "training")
        owner.kill()
    fork_server, worker = warm.executor.pid, run.process()
    os.kill(fork_server, signal.SIGKILL)
    until(lambda: warm.executor.warm and warm.executor.pid != fork_server, "a new fork server")
    reached = run.state()["step"]
    until(lambda: run.state()["step"] > reached, "more training")
    assert run.process() == worker
    told = run.state()["step"]
    os.kill(worker.pid, signal.SIGKILL)
    until(lambda: run.exit() is not None, "its end")
    assert run.status() == "lost", "whoever could know its signal was killed before it"
    again = IndexOwner(warm.data)
    again.catch_up()
    steps = again.store.frame(run.run, ["loss/train"])["step"].to_list()
    assert steps == list(range(len(steps)))
    assert len(steps) >= told, "every step that the worker had told is there"
    assert [step for step, _ in losses(run)] == steps
    assert not [row for row in again.store.runs() if row["status"] not in ENDED]
    again.stop()
