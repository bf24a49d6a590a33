"""Which path a kernel takes here: the GPU, or plain torch, and why; and its record.

A process serves one run, so the choice `auto | reference` and the record of what ran, and why, belong to the process.
A fallback to the reference on a machine with a GPU warns once; the record always tells it.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TypeVar

import torch

from kernels.build import CompileError, NoCompiler
from kernels.gpu import Fault, Gpu, Refused
from kernels.kernel import Kernel, Runner

Result = TypeVar("Result")


class KernelPath:
    """`auto` or `reference` for every kernel of this process, and what came of it.

    `record`: kernel -> "kernel", "reference: why", or both where some inputs took the one and some the other."""

    def __init__(self) -> None:
        self.mode = "auto"
        self.record: dict[str, str] = {}
        self.listeners: list[Callable[[dict[str, str]], None]] = []
        self._runners: dict[torch.device, Gpu] = {}
        self._decided: dict[tuple[str, torch.device], Gpu | None] = {}
        self._refused: set[tuple[str, torch.device, str]] = set()

    def prefer(self, mode: str) -> None:
        """Set the choice of this process and forget what it chose before."""
        if mode not in ("auto", "reference"):
            raise ValueError(f"kernels={mode} is not known; allowed are auto and reference.")
        self.mode = mode
        self.record.clear()
        self._decided.clear()
        self._refused.clear()

    def runner(self, kernel: Kernel, device: torch.device) -> Runner | None:
        """The GPU that runs this kernel, or None where its reference runs."""
        key = kernel.name, device
        if key not in self._decided:
            why = self._why_not(kernel, device)
            self._decided[key] = None if why else self._runners[device]
            self._tell(kernel, f"reference: {why}" if why else "kernel")
        return self._decided[key]

    def choose(self, kernel: Kernel, device: torch.device, why: str = "") -> Runner | None:
        """The runner for one input, or None where plain torch runs: always where `why` says that the kernel cannot take it."""
        if not why:
            return self.runner(kernel, device)
        self.refuse(kernel, device, why)
        return None

    def run(
        self, kernel: Kernel, device: torch.device, why: str, launched: Callable[[Runner], Result], plain: Callable[[], Result]
    ) -> Result:
        """`launched` on the runner of this input, or `plain` where there is none and where the driver refuses the launch: then for good."""
        runner = self.choose(kernel, device, why)
        if runner is None:
            return plain()
        try:
            return launched(runner)
        except Refused as error:
            self._decided[kernel.name, device] = None
            self._fall_back(kernel, str(error))
            return plain()

    def refuse(self, kernel: Kernel, device: torch.device, why: str) -> None:
        """The kernel cannot take this input, so its reference runs: told as loudly as any other fallback."""
        if self.mode == "reference" or device.type != "cuda":
            self.runner(kernel, device)  # there is a plainer reason
        elif (key := (kernel.name, device, why)) not in self._refused:
            self._refused.add(key)
            self._fall_back(kernel, why)

    def _fall_back(self, kernel: Kernel, why: str) -> None:
        self._tell(kernel, f"reference: {why}")
        warnings.warn(f"The kernel {kernel.name} falls back to plain torch: {why}.", RuntimeWarning, stacklevel=5)

    def _tell(self, kernel: Kernel, path: str) -> None:
        """Adds to the record: what ran before has run."""
        before = self.record.get(kernel.name)
        self.record[kernel.name] = f"{before}; {path}" if before else path
        for listener in self.listeners:
            listener(dict(self.record))

    def _why_not(self, kernel: Kernel, device: torch.device) -> str:
        if self.mode == "reference":
            return "the knob kernels asks for it"
        if device.type != "cuda":
            return f"the tensors are on the {device.type.upper()}"
        try:
            self._runners.setdefault(device, Gpu(device)).load(kernel)
        except Fault:
            raise  # no path runs on a lost device
        except NoCompiler as error:
            why = str(error).rstrip(".")
        except (CompileError, RuntimeError, OSError) as error:
            why = f"{type(error).__name__}: {str(error).splitlines()[0]}"
        else:
            return ""
        warnings.warn(f"The kernel {kernel.name} falls back to plain torch: {why}.", RuntimeWarning, stacklevel=4)
        return why


KERNEL_PATH = KernelPath()


def capturing(device: torch.device) -> str:
    """Why a kernel that uploads tables cannot run now: a captured upload would be replayed with memory that others own by then."""
    return "a CUDA graph is being captured" if device.type == "cuda" and torch.cuda.is_current_stream_capturing() else ""


def status(kernel: Kernel) -> tuple[str, str]:
    """What would run on this machine -> ("kernel" or "reference", why); compiles nothing."""
    if not torch.cuda.is_available():
        return "reference", "no CUDA device is here"
    major, minor = torch.cuda.get_device_capability()
    if 10 * major + minor < 75:
        return "reference", f"compute capability {major}.{minor} is older than 7.5"
    return "kernel", f"on {torch.cuda.get_device_name()}"
