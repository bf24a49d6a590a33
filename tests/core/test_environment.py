"""What changes a training's numbers from outside is cleared for whatever trains, or recorded with it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from engine.core.environment import for_workers, recorded
from engine.core.locks import take
from engine.runs.folder import new_run
from engine.scheduler.forking import ForkingExecutor
from engine.scheduler.local import Local
from tests.support.toy import PATIENCE, until

CHANGES = {
    "ATEN_CPU_CAPABILITY": "default",
    "MKL_CBWR": "COMPATIBLE",
    "MKL_NUM_THREADS": "7",
    "KMP_AFFINITY": "none",
    "ONEDNN_MAX_CPU_ISA": "SSE41",
    "DNNL_VERBOSE": "1",
    "NVIDIA_TF32_OVERRIDE": "1",
}
PRINT = [sys.executable, "-c", "import os; print(sorted(os.environ.items()), flush=True)"]


@pytest.fixture(autouse=True)
def outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**CHANGES, "TORCH_LOGS": "dynamo", "HARMLESS": "1"}.items():
        monkeypatch.setenv(name, value)


def test_what_changes_numbers_is_cleared_before_thread_counts_are_set() -> None:
    environment = for_workers({"MKL_NUM_THREADS": "2"})
    assert set(environment) & set(CHANGES) == {"MKL_NUM_THREADS"}
    assert environment["MKL_NUM_THREADS"] == "2"
    assert environment["HARMLESS"] == "1"


def test_what_a_process_has_of_them_is_recorded() -> None:
    assert recorded().items() >= {**CHANGES, "TORCH_LOGS": "dynamo"}.items()
    assert "HARMLESS" not in recorded()


def test_neither_a_plain_worker_nor_a_fork_server_is_started_with_them(tmp_path: Path) -> None:
    run = new_run(tmp_path, "toy", {"knobs": {}})
    lock = take(run.path / "claim")
    assert lock is not None
    plain = Local(PRINT)
    plain.submit(run, lock, {"OMP_NUM_THREADS": "1"})
    until(run.log)
    plain.close()
    executor = ForkingExecutor(tmp_path, PRINT)
    executor.start()
    assert executor.wait(PATIENCE)
    for log in (tmp_path / "fork_server.log", run.path / "out.log"):
        text = log.read_text()
        assert "('HARMLESS', '1')" in text
        assert not [name for name in CHANGES if f"'{name}'" in text]
