"""The doctor's lines about a data folder: each process is named as its lock names it."""

from __future__ import annotations

import os
from pathlib import Path

from engine.core import locks
from engine.index.connection import take_lock
from engine.server import doctor


def lines(data: Path) -> dict[str, str]:
    return {name: says for name, _, says in doctor.folder(data)}


def test_the_doctor_names_the_processes_that_keep_the_index_and_mind_the_queue(tmp_path: Path) -> None:
    assert lines(tmp_path)["owner"] == "no process keeps the index now; the next one does"
    owner, supervisor = take_lock(tmp_path / "owner.lock"), locks.take(tmp_path / "supervisor.lock")
    assert owner is not None
    assert supervisor is not None
    held = lines(tmp_path)
    assert held["owner"] == f"process {os.getpid()} keeps the index"
    assert held["supervisor"] == f"process {os.getpid()} minds the queue"
    supervisor.release()
    os.close(owner)


def test_a_held_lock_that_names_nobody_is_not_read_as_a_process_called_none(tmp_path: Path) -> None:
    locks_held = [locks.locked(tmp_path / f"{name}.lock") for name in ("owner", "supervisor")]
    held = lines(tmp_path)
    assert held["owner"] == "a process keeps the index, and its lock does not name it"
    assert held["supervisor"] == "a process minds the queue, and its lock does not name it"
    for descriptor in locks_held:
        assert descriptor is not None
        os.close(descriptor)
