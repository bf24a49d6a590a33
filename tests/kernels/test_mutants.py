"""Every barrier of every kernel is needed, and the samples would notice its absence: each is deleted in turn, in a child process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from kernels.emulator.mutants import barriers
from kernels.kernel import HERE, kernel, names

# Deleted, they change nothing in the emulator; kernel and text of the line -> how many, and why they stay.
INVISIBLE = {
    ("tensor_stats", "__threadfence();"): (
        2,
        "They order a block's row before its ticket, and the ticket before the reading of rows, between blocks that run at the same "
        "time; in the emulator blocks run one after another.",
    ),
}


def test_every_deleted_barrier_is_noticed(cache: Path, host_compiler: str) -> None:
    command = [sys.executable, "-m", "kernels.emulator.mutants", str(cache)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=HERE.parent, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    tried = [json.loads(line) for line in done.stdout.splitlines()]
    expected = [(one.kernel, one.line) for name in names() for one in barriers(name, kernel(name).source)]
    assert [(one["kernel"], one["line"]) for one in tried] == expected
    assert len(expected) >= 19
    missed: dict[tuple[str, str], int] = {}
    for one in tried:
        if not one["finding"]:
            missed[one["kernel"], one["text"]] = missed.get((one["kernel"], one["text"]), 0) + 1
    assert missed == {key: count for key, (count, _) in INVISIBLE.items()}


def test_barriers_are_found_in_the_text_and_not_in_its_comments() -> None:
    source = "a();  // __syncthreads();\n/* __syncwarp();\n */ b();\nif (x) __syncthreads();\n__syncwarp(m);\n__threadfence_block();\n"
    found = barriers("toy", source)
    assert [one.line for one in found] == [4, 5, 6]
    assert [one.is_fence for one in found] == [False, False, True]
    with pytest.raises(ValueError, match="Line 1 of toy has 2"):
        barriers("toy", "__syncthreads(); __syncwarp();")


def test_what_all_kernels_include_has_no_barrier_of_its_own() -> None:
    """The sweep names a barrier by its line in the kernel's own file."""
    assert barriers("common.cuh", (HERE / "common.cuh").read_text("utf-8")) == []
