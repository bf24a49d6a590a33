"""Every kernel agrees with its float64 reference: the very same `.cu` in the emulator, and on a GPU where there is one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from kernels import check
from kernels.kernel import kernel, names
from kernels.launch import Gpu

ROOT = Path(__file__).resolve().parents[2]
GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device is here")

# What a mistake looks like: a text of the source and what stands there instead.  None writes where it must not: this process goes on.
# The first of each kernel is looked for in every run of the suite, the others by `make science`; barriers have a test of their own.
MISTAKES = {
    "tensor_stats": [
        ("the last number is left out", "threadIdx.x; i < count", "threadIdx.x; i < count - 1"),
        ("a ticket too few", "u32(segment.chunks) - 1u", "u32(segment.chunks) - 2u"),
    ],
    "spam_adam": [
        ("the last numbers are left out", "threadIdx.x; i < count", "threadIdx.x; i < count - 1"),
        ("a ceiling twice as high", "float limit = s.theta * v;", "float limit = 2.0f * s.theta * v;"),
        ("only the first warp counts its clips", "if (threadIdx.x % 32 == 0 && spikes)", "if (threadIdx.x == 0 && spikes)"),
        ("a reset that forgets only one moment", "v = s.fresh ? 0.0f : x.v", "v = x.v"),
    ],
    "moe_route": [
        ("ranks ignore the warps before", "for (int w = 0; w < warp; ++w) place", "for (int w = 1; w < warp; ++w) place"),
        ("a NaN ranks last", "INFINITE_BITS ? 0xffffffffu", "INFINITE_BITS ? 0u"),
        ("the bias weighs too", "if (lane == i) mine = s;", "if (lane == i) mine = ranked;"),
    ],
    "sinkhorn": [
        ("the last row is left out", "r < rows; ++r) column", "r < rows - 1; ++r) column"),
        ("backward with the wrong potential", "expf(base + before[e])", "expf(base + g[e])"),
    ],
    "csr_spmm": [
        ("a shared row is stored as if it were whole", "row == tile.last ? tile.last_slot : -1", "-1"),
        ("a message takes its neighbour's weight", "__shfl_sync(FULL_WARP, factor, j + member)", "__shfl_sync(FULL_WARP, factor, j)"),
        ("equal messages go to the highest edge", "x == value && from < edge", "x == value && from > edge"),
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", names())
def test_a_kernel_agrees_with_float64_in_every_order_of_threads(name: str, cache: Path, host_compiler: str) -> None:
    assert not list(check.emulated(kernel(name), cache))


@GPU
@pytest.mark.gpu
@pytest.mark.parametrize("name", names())
def test_a_kernel_agrees_with_float64_on_the_gpu(name: str, cache: Path) -> None:
    runner = Gpu(torch.device("cuda"), cache)
    assert not list(check.disagreements(kernel(name), [runner, runner]))


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        pytest.param(name, old, new, id=f"{name}: {message}", marks=[pytest.mark.slow] if i else [])
        for name, mistakes in MISTAKES.items()
        for i, (message, old, new) in enumerate(mistakes)
    ],
)
def test_a_mistake_in_the_source_is_found(name: str, old: str, new: str, cache: Path, host_compiler: str) -> None:
    one = kernel(name)
    assert old in one.source
    assert next(check.emulated(one, cache, one.source.replace(old, new, 1)), None) is not None


ASAN = """
import sys
from pathlib import Path
from kernels.emulator.emulator import Emulator
from kernels.kernel import kernel, names
folder = Path(sys.argv[1])
if len(sys.argv) > 2:
    one = kernel("tensor_stats")
    source = one.source.replace("threadIdx.x; i < count", "threadIdx.x; i < count + 40", 1)
    for sample in one.samples():
        sample.run(Emulator(source=source, sanitized=True, folder=folder))
else:
    for name in names():  # the other tests compare with float64; here memory is watched
        for sample in kernel(name).samples():
            sample.run(Emulator(sanitized=True, folder=folder))
"""


def sanitized(*arguments: str) -> subprocess.CompletedProcess[str]:
    found = subprocess.run(["g++", "-print-file-name=libasan.so"], capture_output=True, text=True, check=True).stdout.strip()
    if not Path(found).is_absolute():
        pytest.skip("this g++ comes without AddressSanitizer")
    options = {"LD_PRELOAD": found, "ASAN_OPTIONS": "detect_leaks=0:detect_stack_use_after_return=0"}
    return subprocess.run([sys.executable, "-c", ASAN, *arguments], cwd=ROOT, env={**os.environ, **options}, capture_output=True, text=True)


def test_no_kernel_touches_memory_that_is_not_its_own(cache: Path, host_compiler: str) -> None:
    done = sanitized(str(cache))
    assert done.returncode == 0, done.stderr[-3000:]


def test_the_sanitizer_sees_a_read_beyond_the_end(cache: Path, host_compiler: str) -> None:
    done = sanitized(str(cache), "beyond")
    assert done.returncode != 0
    assert "AddressSanitizer" in done.stderr
    assert "tensor_stats" in done.stderr
