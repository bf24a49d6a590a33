"""Which path a kernel takes here, and how it is launched: on torch's current stream, from packed arguments.

A process serves one run, so the choice `auto | reference` and the record of what ran, and why, belong to the process.
A fallback to the reference on a machine with a GPU warns once; the record always tells it.
"""

from __future__ import annotations

import ctypes
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from kernels.build import CompileError, NoCompiler, build
from kernels.kernel import Argument, Dimensions, Kernel, packed, three

STATIC_SHARED = 48 * 1024  # bytes of dynamic shared memory that need no asking


class Gpu:
    """A runner on one CUDA device: loads the cubin of each kernel once."""

    def __init__(self, device: torch.device, folder: Path | None = None) -> None:
        index = torch.cuda.current_device() if device.index is None else device.index
        self.device, self.folder = torch.device("cuda", index), folder
        major, minor = torch.cuda.get_device_capability(index)
        self.architecture = 10 * major + minor
        self._functions: dict[tuple[str, str], Any] = {}
        self._roomy: dict[tuple[str, str], int] = {}

    def load(self, kernel: Kernel) -> None:
        """Compile for this device and load; raises CompileError, NoCompiler, or RuntimeError of the driver."""
        from cuda.bindings import driver

        if (kernel.name, next(iter(kernel.entries))) in self._functions:
            return
        built = build(kernel, self.architecture, self.folder)
        torch.cuda.current_stream(self.device)  # the device's context exists from here on
        library = _ok(driver.cuLibraryLoadData(built.cubin, [], [], 0, [], [], 0))
        for name, entry in built.entries.items():
            self._functions[kernel.name, name] = _ok(driver.cuLibraryGetKernel(library, entry.symbol.encode()))

    def launch(self, kernel: Kernel, entry: str, grid: Dimensions, block: int, arguments: Sequence[Argument], shared: int = 0) -> None:
        from cuda.bindings import driver

        self.load(kernel)
        key = kernel.name, entry
        function = self._functions[key]  # a CUkernel, which a launch takes in the place of a CUfunction
        if shared > self._roomy.get(key, STATIC_SHARED):
            most = driver.CUfunction_attribute.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES
            _ok(driver.cuKernelSetAttribute(most, shared, function, driver.CUdevice(self.device.index)))
            self._roomy[key] = shared
        stream = torch._C._cuda_getCurrentRawStream(self.device.index)
        pointers, alive = packed(arguments)
        with torch.cuda.device(self.device):
            _ok(
                driver.cuLaunchKernel(
                    driver.CUfunction(int(function)), *three(grid), *three(block), shared, stream, ctypes.addressof(pointers), 0
                )
            )
        del alive


class KernelPath:
    """`auto` or `reference` for every kernel of this process, and what came of it."""

    def __init__(self) -> None:
        self.mode = "auto"
        self.record: dict[str, str] = {}
        self.listeners: list[Callable[[dict[str, str]], None]] = []
        self._runners: dict[torch.device, Gpu] = {}
        self._decided: dict[tuple[str, torch.device], Gpu | None] = {}

    def prefer(self, mode: str) -> None:
        """Set the choice of this process and forget what it chose before."""
        if mode not in ("auto", "reference"):
            raise ValueError(f"kernels={mode} is not known; allowed are auto and reference.")
        self.mode = mode
        self.record.clear()
        self._decided.clear()

    def runner(self, kernel: Kernel, device: torch.device) -> Gpu | None:
        """The GPU that runs this kernel, or None where its reference runs."""
        key = kernel.name, device
        if key not in self._decided:
            why = self._why_not(kernel, device)
            self._decided[key] = None if why else self._runners[device]
            self._tell(kernel, f"reference: {why}" if why else "kernel")
        return self._decided[key]

    def refuse(self, kernel: Kernel, device: torch.device, why: str) -> None:
        """The kernel cannot take this input, so its reference runs: told as loudly as any other fallback."""
        if self.mode == "reference" or device.type != "cuda":
            self.runner(kernel, device)  # there is a plainer reason
        elif (key := (f"{kernel.name}: {why}", device)) not in self._decided:
            self._decided[key] = None
            self._tell(kernel, f"reference: {why}")
            warnings.warn(f"The kernel {kernel.name} falls back to plain torch: {why}.", RuntimeWarning, stacklevel=4)

    def _tell(self, kernel: Kernel, path: str) -> None:
        self.record[kernel.name] = path
        for listener in self.listeners:
            listener(dict(self.record))

    def _why_not(self, kernel: Kernel, device: torch.device) -> str:
        if self.mode == "reference":
            return "the knob kernels asks for it"
        if device.type != "cuda":
            return f"the tensors are on the {device.type.upper()}"
        try:
            self._runners.setdefault(device, Gpu(device)).load(kernel)
        except NoCompiler as error:
            why = str(error).rstrip(".")
        except (CompileError, RuntimeError, OSError) as error:
            why = f"{type(error).__name__}: {str(error).splitlines()[0]}"
        else:
            return ""
        warnings.warn(f"The kernel {kernel.name} falls back to plain torch: {why}.", RuntimeWarning, stacklevel=4)
        return why


KERNEL_PATH = KernelPath()


def status(kernel: Kernel) -> tuple[str, str]:
    """What would run on this machine -> ("kernel" or "reference", why); compiles nothing."""
    if not torch.cuda.is_available():
        return "reference", "no CUDA device is here"
    major, minor = torch.cuda.get_device_capability()
    if 10 * major + minor < 75:
        return "reference", f"compute capability {major}.{minor} is older than 7.5"
    return "kernel", f"on {torch.cuda.get_device_name()}"


def _ok(answer: tuple) -> Any:
    status, *results = answer
    if status != 0:
        raise RuntimeError(f"{type(status).__name__} {status.name}")
    return results[0] if results else None
