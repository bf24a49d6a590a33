"""How much memory a worker may take, and who goes first when there is none left."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest

from engine.worker import memory
from engine.worker.life import sentence


def group(folder: Path, **files: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)


def test_the_tightest_control_group_counts_and_what_can_be_given_back_does_not(tmp_path: Path) -> None:
    membership = tmp_path / "membership"
    membership.write_text("4:memory:/room/box\n3:cpuset:/\n0::/room/box\n")
    group(tmp_path / "room", memory__max="1000", memory__current="900", memory__stat="anon 5\ninactive_file 50\n")
    group(tmp_path / "room" / "box", memory__max="max", memory__current="300", memory__stat="inactive_file 0\n")
    version_1 = tmp_path / "memory" / "room" / "box"
    group(version_1, memory__limit_in_bytes="700", memory__usage_in_bytes="300", memory__stat="total_inactive_file 20\n")
    assert sorted(memory.left_in_groups(tmp_path, membership)) == [150, 420]
    assert list(memory.left_in_groups(tmp_path, tmp_path / "no such file")) == []
    assert 0 < memory.available() < 2**60


@pytest.mark.parametrize(("gpus", "also_addresses"), [("", True), ("0", False), (None, False)])
def test_limits_are_for_the_cpu_and_end_with_the_training(monkeypatch: pytest.MonkeyPatch, gpus: str | None, also_addresses: bool) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if gpus is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", gpus)
    kinds = (resource.RLIMIT_DATA, resource.RLIMIT_AS)
    before = [resource.getrlimit(kind) for kind in kinds]
    with memory.limited("cpu"):
        assert [resource.getrlimit(kind) != was for kind, was in zip(kinds, before, strict=True)] == [True, also_addresses]
    with memory.limited("cuda:0"):
        assert [resource.getrlimit(kind) for kind in kinds] == before
    assert [resource.getrlimit(kind) for kind in kinds] == before


def test_a_worker_is_chosen_before_the_server_and_never_asks_for_less_than_it_was_given() -> None:
    adjust = "from pathlib import Path; p = Path('/proc/self/oom_score_adj'); from engine.worker.memory import go_first; "
    for first, then in (("0", "500"), ("700", "700")):
        code = f"{adjust}p.write_text('{first}'); go_first(); print(p.read_text().strip())"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout.strip() == then


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OSError(12, "Cannot allocate memory"),
        RuntimeError("std::bad_alloc"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory"),
    ],
)
def test_every_way_to_run_out_of_memory_is_one_sentence(error: Exception) -> None:
    assert sentence(error).startswith("Memory ran out: the run asked for more than there was.")
