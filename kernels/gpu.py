"""A CUDA device as a runner: loads cubins, binds the device's context to the thread, launches on torch's current stream.

`FAULTLINE_SYNC=1` waits after every launch, so that a fault inside a kernel names that kernel and not whatever runs later.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from kernels.build import build
from kernels.kernel import Argument, Dimensions, Kernel, packed, three

STATIC_SHARED = 48 * 1024  # bytes of dynamic shared memory that need no asking
# Errors after which no call of this process on this device can succeed.  A launch reports them for whatever ran before it as well.
LOST = frozenset(
    {
        *("CUDA_ERROR_ILLEGAL_ADDRESS", "CUDA_ERROR_LAUNCH_TIMEOUT", "CUDA_ERROR_ASSERT", "CUDA_ERROR_HARDWARE_STACK_ERROR"),
        *("CUDA_ERROR_ILLEGAL_INSTRUCTION", "CUDA_ERROR_MISALIGNED_ADDRESS", "CUDA_ERROR_INVALID_ADDRESS_SPACE"),
        *("CUDA_ERROR_INVALID_PC", "CUDA_ERROR_LAUNCH_FAILED", "CUDA_ERROR_ECC_UNCORRECTABLE", "CUDA_ERROR_CONTEXT_IS_DESTROYED"),
        *("CUDA_ERROR_DEINITIALIZED", "CUDA_ERROR_EXTERNAL_DEVICE"),
    }
)


class Refused(RuntimeError):
    """The driver does not take a kernel, and nothing of it ran: its reference can run instead."""


class Fault(RuntimeError):
    """The device is lost to this process; the message names the launch that reported it."""


class Gpu:
    """A runner on one CUDA device: loads the cubin of each kernel once."""

    def __init__(self, device: torch.device, folder: Path | None = None) -> None:
        index = torch.cuda.current_device() if device.index is None else device.index
        self.device, self.folder = torch.device("cuda", index), folder
        major, minor = torch.cuda.get_device_capability(index)
        self.architecture = 10 * major + minor
        self._functions: dict[tuple[str, str], Any] = {}
        self._shared: dict[tuple[str, str], int] = {}
        self._context: Any = None

    def load(self, kernel: Kernel) -> None:
        """Compile for this device and load every entry into its context, so that a cubin which the driver refuses is known here.

        Raises CompileError, NoCompiler, Refused."""
        if all((kernel.name, entry) in self._functions for entry in kernel.entries):
            return
        driver, built = _driver(), build(kernel, self.architecture, self.folder)
        with self._bound(driver):
            library = _ok(driver.cuLibraryLoadData(built.cubin, [], [], 0, [], [], 0), kernel.name)
            for name, entry in built.entries.items():
                found = _ok(driver.cuLibraryGetKernel(library, entry.symbol.encode()), f"{kernel.name}, {name}")
                _ok(driver.cuKernelGetFunction(found), f"{kernel.name}, {name}")  # loading is lazy: this makes it happen
                self._functions[kernel.name, name] = found

    def launch(self, kernel: Kernel, entry: str, grid: Dimensions, block: int, arguments: Sequence[Argument], shared: int = 0) -> None:
        """As Runner says.  Raises Refused where the driver does not take it, Fault where the device is lost."""
        self.load(kernel)
        driver, key = _driver(), (kernel.name, entry)
        function = self._functions[key]  # a CUkernel, which a launch takes in the place of a CUfunction
        where = f"{kernel.name}, {entry}, grid {three(grid)}, block {three(block)}, {shared} bytes of shared memory"
        with self._bound(driver):
            if shared > self._shared.get(key, STATIC_SHARED):
                most = driver.CUfunction_attribute.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES
                _ok(driver.cuKernelSetAttribute(most, shared, function, driver.CUdevice(self.device.index)), where)
                self._shared[key] = shared
            stream = _stream(self.device)
            pointers, alive = packed(arguments)
            handle, address = driver.CUfunction(int(function)), ctypes.addressof(pointers)
            _ok(driver.cuLaunchKernel(handle, *three(grid), *three(block), shared, stream, address, 0), where)
            del alive
            if os.environ.get("FAULTLINE_SYNC") == "1":
                _ok(driver.cuStreamSynchronize(stream), where, ran=True)

    @contextmanager
    def _bound(self, driver: ModuleType) -> Iterator[None]:
        """The device's primary context, the one of torch, is that of this thread.

        A new thread, autograd's among them, has none until something binds one, and `torch.cuda.device` binds none where the
        number of the device does not change.  It stays bound where there was none; another device's is put back."""
        if self._context is None:
            _ok(driver.cuInit(0), "cuInit")
            self._context = _ok(driver.cuDevicePrimaryCtxRetain(driver.CUdevice(self.device.index)), f"the context of {self.device}")
        before = _ok(driver.cuCtxGetCurrent(), "cuCtxGetCurrent")
        if int(before) != int(self._context):
            _ok(driver.cuCtxSetCurrent(self._context), f"the context of {self.device}")
        try:
            yield
        finally:
            if int(before) not in (0, int(self._context)):
                _ok(driver.cuCtxSetCurrent(before), "the context of before")


def _driver() -> ModuleType:
    from cuda.bindings import driver

    return driver


def _stream(device: torch.device) -> int:
    return torch._C._cuda_getCurrentRawStream(device.index)


def _ok(answer: tuple, where: str, ran: bool = False) -> Any:
    """The one result of a driver's call.  Raises Fault for a lost device or a kernel that `ran`, else Refused."""
    status, *results = answer
    if status == 0:
        return results[0] if results else None
    if ran:
        raise Fault(f"{status.name} in the kernel {where}.")
    if status.name in LOST:
        raise Fault(f"{status.name} was reported at the launch of {where}; it happened there or before: FAULTLINE_SYNC=1 names the kernel.")
    raise Refused(f"{status.name}: {where}")
