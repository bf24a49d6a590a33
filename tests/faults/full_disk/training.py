"""A run in the middle of its training, with the worker without a model."""

from __future__ import annotations

from engine.runs.folder import RunFolder
from engine.scheduler.supervisor import Supervisor
from tests.faults.test_kill_worker import queue, until


def training(supervisor: Supervisor, **knobs: object) -> RunFolder:
    run = queue(supervisor.data, pace=0.002, **{"ledger": "", **knobs})
    until(lambda: (run.path / "spool.1.bin").exists() and run.state().get("step"), supervisor.step)
    return run
