"""The driver's side of a launch, on a driver made up for the test: contexts of threads, refusals, faults, and which path then runs."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable
from enum import IntEnum
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from kernels import gpu, launch
from kernels.build import Built, Entry
from kernels.csr_spmm.csr_spmm import KERNEL as MESSAGES
from kernels.csr_spmm.csr_spmm import csr_spmm
from kernels.csr_spmm.samples import power_law_tiny
from kernels.gpu import Fault, Gpu, Refused
from kernels.kernel import Kernel
from kernels.launch import KERNEL_PATH, KernelPath
from kernels.tensor_stats.tensor_stats import KERNEL

DEVICE, PRIMARY = torch.device("cuda", 0), 77


class CUresult(IntEnum):
    CUDA_SUCCESS = 0
    CUDA_ERROR_INVALID_IMAGE = 200
    CUDA_ERROR_INVALID_CONTEXT = 201
    CUDA_ERROR_ILLEGAL_ADDRESS = 700
    CUDA_ERROR_LAUNCH_FAILED = 719


class Driver:
    """What the lab calls of the driver.  A context belongs to a thread, and a thread begins without one."""

    CUfunction_attribute = SimpleNamespace(CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES=8)

    def __init__(self) -> None:
        self.context = threading.local()
        self.launched: list[str] = []  # names of the threads
        self.waited = 0
        self.at: dict[str, CUresult] = {}  # call -> the error that it gives
        self.CUfunction = self.CUdevice = int

    def _answer(self, call: str, *values: Any, needs_context: bool = True) -> tuple[Any, ...]:
        if needs_context and self.current() == 0:
            return (CUresult.CUDA_ERROR_INVALID_CONTEXT, *(None for _ in values))
        return (self.at.get(call, CUresult.CUDA_SUCCESS), *values)

    def current(self) -> int:
        return getattr(self.context, "value", 0)

    def cuInit(self, _: int) -> tuple[Any, ...]:
        return self._answer("cuInit", needs_context=False)

    def cuDevicePrimaryCtxRetain(self, _: int) -> tuple[Any, ...]:
        return self._answer("cuDevicePrimaryCtxRetain", PRIMARY, needs_context=False)

    def cuCtxGetCurrent(self) -> tuple[Any, ...]:
        return self._answer("cuCtxGetCurrent", self.current(), needs_context=False)

    def cuCtxSetCurrent(self, context: int) -> tuple[Any, ...]:
        self.context.value = context
        return self._answer("cuCtxSetCurrent", needs_context=False)

    def cuLibraryLoadData(self, *_: Any) -> tuple[Any, ...]:
        return self._answer("cuLibraryLoadData", 5)

    def cuLibraryGetKernel(self, *_: Any) -> tuple[Any, ...]:
        return self._answer("cuLibraryGetKernel", 6)

    def cuKernelGetFunction(self, _: int) -> tuple[Any, ...]:
        return self._answer("cuKernelGetFunction", 7)

    def cuKernelSetAttribute(self, *_: Any) -> tuple[Any, ...]:
        return self._answer("cuKernelSetAttribute")

    def cuLaunchKernel(self, *_: Any) -> tuple[Any, ...]:
        answer = self._answer("cuLaunchKernel")
        if answer[0] == 0:
            self.launched.append(threading.current_thread().name)
        return answer

    def cuStreamSynchronize(self, _: int) -> tuple[Any, ...]:
        self.waited += 1
        return self._answer("cuStreamSynchronize")


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> Driver:
    made = Driver()

    def built(kernel: Kernel, architecture: int, folder: Path | None) -> Built:
        return Built(b"cubin", {name: Entry(name, 1, 0, 0) for name in kernel.entries})

    monkeypatch.setattr(gpu, "_driver", lambda: made)
    monkeypatch.setattr(gpu, "_stream", lambda device: 0)
    monkeypatch.setattr(gpu, "build", built)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda index: (9, 0))
    return made


def in_a_thread(name: str, run: Callable[[], object]) -> None:
    raised: list[BaseException] = []

    def whole() -> None:
        try:
            run()
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=whole, name=name)
    thread.start()
    thread.join()
    if raised:
        raise raised[0]


def test_a_launch_binds_the_context_of_its_device_to_a_new_thread(driver: Driver) -> None:
    runner = Gpu(DEVICE)
    entry = next(iter(KERNEL.entries))
    runner.launch(KERNEL, entry, 1, 32, [])
    in_a_thread("new", lambda: runner.launch(KERNEL, entry, 1, 32, []))
    assert driver.launched == ["MainThread", "new"]


def test_the_context_of_another_device_is_put_back(driver: Driver) -> None:
    driver.cuCtxSetCurrent(13)
    Gpu(DEVICE).launch(KERNEL, next(iter(KERNEL.entries)), 1, 32, [])
    assert driver.launched == ["MainThread"]
    assert driver.current() == 13


def test_a_backward_pass_may_be_the_first_that_a_thread_launches(driver: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a GPU autograd has a thread of its own; here backward runs in a thread in which nothing else has run."""
    runner = Gpu(DEVICE)
    runner.load(MESSAGES)
    runner.device = torch.device("cpu")  # where this test's tensors are
    monkeypatch.setattr(KERNEL_PATH, "runner", lambda kernel, device: runner)
    graph = power_law_tiny()
    x = torch.zeros(graph.sources, 4, requires_grad=True)
    out = csr_spmm(graph, x, strategy="node")
    in_a_thread("autograd", lambda: torch.autograd.backward(out, torch.ones_like(out)))
    assert driver.launched == ["MainThread", "autograd"]


@pytest.fixture
def path(driver: Driver, monkeypatch: pytest.MonkeyPatch) -> KernelPath:
    return KernelPath()


def run(path: KernelPath) -> str:
    entry = next(iter(KERNEL.entries))

    def launched(runner: Any) -> str:
        runner.launch(KERNEL, entry, (3, 2, 1), 64, [], 256)
        return "kernel"

    return path.run(KERNEL, DEVICE, "", launched, lambda: "reference")


@pytest.mark.parametrize("call", ["cuLibraryLoadData", "cuLibraryGetKernel", "cuKernelGetFunction", "cuLaunchKernel"])
def test_a_driver_that_refuses_a_kernel_leaves_the_reference_and_one_warning(call: str, driver: Driver, path: KernelPath) -> None:
    driver.at[call] = CUresult.CUDA_ERROR_INVALID_IMAGE
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert [run(path) for _ in range(3)] == ["reference"] * 3
    assert len(caught) == 1
    assert "CUDA_ERROR_INVALID_IMAGE" in str(caught[0].message)
    assert "reference: " in path.record["tensor_stats"]
    assert "CUDA_ERROR_INVALID_IMAGE" in path.record["tensor_stats"]


def test_a_refused_launch_names_kernel_entry_grid_block_and_shared_memory(driver: Driver) -> None:
    driver.at["cuLaunchKernel"] = CUresult.CUDA_ERROR_INVALID_IMAGE
    entry = next(iter(KERNEL.entries))
    with pytest.raises(Refused) as error:
        Gpu(DEVICE).launch(KERNEL, entry, (3, 2, 1), 64, [], 256)
    for part in ("tensor_stats", entry, "grid (3, 2, 1)", "block (64, 1, 1)", "256 bytes"):
        assert part in str(error.value)


def test_a_lost_device_ends_the_run_and_says_where_it_was_seen(driver: Driver, path: KernelPath) -> None:
    driver.at["cuLaunchKernel"] = CUresult.CUDA_ERROR_ILLEGAL_ADDRESS
    with pytest.raises(Fault, match=r"tensor_stats.*grid \(3, 2, 1\).*there or before.*FAULTLINE_SYNC=1"):
        run(path)


def test_a_fault_inside_a_kernel_names_it_where_every_launch_is_waited_for(
    driver: Driver, path: KernelPath, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(path) == "kernel"
    assert driver.waited == 0
    monkeypatch.setenv("FAULTLINE_SYNC", "1")
    assert run(path) == "kernel"
    assert driver.waited == 1
    driver.at["cuStreamSynchronize"] = CUresult.CUDA_ERROR_LAUNCH_FAILED
    with pytest.raises(Fault, match="CUDA_ERROR_LAUNCH_FAILED in the kernel tensor_stats"):
        run(path)


def test_the_record_keeps_both_paths_where_inputs_took_both(driver: Driver, path: KernelPath) -> None:
    assert run(path) == "kernel"
    with pytest.warns(RuntimeWarning, match="it takes float32"):
        path.refuse(KERNEL, DEVICE, "it takes float32")
    assert path.record == {"tensor_stats": "kernel; reference: it takes float32"}


def test_tables_are_not_uploaded_into_a_captured_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: True)
    assert "captured" in launch.capturing(DEVICE)
    assert launch.capturing(torch.device("cpu")) == ""
