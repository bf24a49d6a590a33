"""A small disk for each case, and a supervisor whose runs lie on it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.scheduler.local import Local
from engine.scheduler.supervisor import Supervisor
from tests.faults.test_kill_worker import WORKER
from tests.support.full_disk import Disk


@pytest.fixture(autouse=True)
def disk(tmp_path: Path) -> Iterator[Disk]:
    made = Disk(tmp_path)
    yield made
    made.close()


@pytest.fixture
def supervisor(disk: Disk) -> Iterator[Supervisor]:
    made = Supervisor(disk.path, Local(WORKER), cores=2, gpus=[])
    yield made
    made.close()
