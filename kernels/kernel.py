"""What a kernel declares of itself: its entries, its words for the page, and samples with an independent answer.

Each kernel is a folder with fixed file names: `<name>.cu`, `<name>.py` (operation, reference and `KERNEL`), `samples.py`, `cases.py`,
`about.py`.  The folders are the register.
"""

from __future__ import annotations

import ctypes
import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

HERE = Path(__file__).resolve().parent

Argument = Tensor | int | float | None | ctypes.Structure
Tensors = Mapping[str, Tensor]
Dimensions = tuple[int, int, int] | int


class Runner(Protocol):
    """Something that can run an entry: a GPU, or the emulator."""

    device: torch.device

    def launch(self, kernel: Kernel, entry: str, grid: Dimensions, block: int, arguments: Sequence[Argument], shared: int = 0) -> None:
        """Run `entry`.  A tensor goes as its pointer, None as the null pointer, an int as `i64`, a float as `float`, a
        ctypes.Structure by value.  `shared`: bytes of dynamic shared memory."""


@dataclass(frozen=True)
class Sample:
    """One input: what the kernel makes of it on a runner, and what float64 says it should be.

    `exact`: names of results that must be equal, not only close.  NaN equals NaN.
    """

    name: str
    run: Callable[[Runner], Tensors]
    reference: Callable[[], Tensors]
    rtol: float = 1e-5
    atol: float = 1e-6
    exact: tuple[str, ...] = ()


@dataclass(frozen=True)
class Case:
    """One size of the benchmark.  `ours` and `peers` do the same work; `bytes` is the least that must move."""

    size: str
    bytes: int
    ours: Callable[[], object]
    peers: Mapping[str, Callable[[], object]]


@dataclass(frozen=True)
class About:
    """The words of a kernel for the page.

    `formula`: its parts in LaTeX, a line each.  `targets`: share of the floor or speed-up that is aimed at, by peer.
    """

    title: str
    formula: Sequence[str]
    legend: str
    minimum_bytes: str
    used_by: str
    targets: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Kernel:
    """What launching needs.  `entries`: name expression of the `.cu` -> most registers per thread that it may take on any architecture.

    Everything else is found by convention in the kernel's folder: `samples.py`, `cases.py` (with `balance` where it has strategies)
    and `about.py`, which are imported when they are asked for.
    """

    name: str
    entries: Mapping[str, int]

    def samples(self) -> Iterator[Sample]:
        """Inputs with their independent answers."""
        return self._part("samples").samples()

    def cases(self, device: torch.device) -> Iterator[Case]:
        """The sizes of the benchmark."""
        return self._part("cases").cases(device)

    def balance(self) -> list[dict[str, Any]] | None:
        """How even its work is, in rows for the page, for a kernel with strategies; needs no GPU."""
        balance = getattr(self._part("cases"), "balance", None)
        return balance() if balance else None

    def about(self) -> About:
        """The words for the page."""
        return self._part("about").ABOUT

    def _part(self, file: str) -> Any:
        return importlib.import_module(f"{__package__}.{self.name}.{file}")

    @property
    def path(self) -> Path:
        return HERE / self.name / f"{self.name}.cu"

    @property
    def source(self) -> str:
        return self.path.read_text("utf-8")


def names() -> list[str]:
    """The kernels that are here, from the folder, without importing one."""
    return sorted(p.stem for p in HERE.glob("*/*.cu") if p.stem == p.parent.name)


def kernel(name: str) -> Kernel:
    """The declaration of one kernel."""
    if name not in names():
        raise ValueError(f"There is no kernel {name}; there are {', '.join(names())}.")
    return importlib.import_module(f"{__package__}.{name}.{name}").KERNEL


def three(dimensions: Dimensions) -> tuple[int, int, int]:
    return (dimensions, 1, 1) if isinstance(dimensions, int) else dimensions


def packed(arguments: Sequence[Argument]) -> tuple[ctypes.Array, list[object]]:
    """-> the `void*[]` that cuLaunchKernel takes, and what must stay alive while it is read."""
    values: list[ctypes._SimpleCData | ctypes.Structure] = []
    for one in arguments:
        if one is None:
            values.append(ctypes.c_void_p(0))
        elif isinstance(one, Tensor):
            values.append(ctypes.c_void_p(one.data_ptr()))
        elif isinstance(one, ctypes.Structure):
            values.append(one)
        elif isinstance(one, float):
            values.append(ctypes.c_float(one))
        else:
            values.append(ctypes.c_longlong(one))
    pointers = (ctypes.c_void_p * max(1, len(values)))(*(ctypes.addressof(v) for v in values))
    return pointers, values


def moved(tensor: Tensor, device: torch.device) -> Tensor:
    """The tensor on the device, at the same offset from a 16-byte boundary."""
    if device.type == "cpu":
        return tensor
    whole = torch.empty(0, dtype=tensor.dtype).set_(tensor.untyped_storage()).to(device)
    return whole.as_strided(tensor.shape, tensor.stride(), tensor.storage_offset())
