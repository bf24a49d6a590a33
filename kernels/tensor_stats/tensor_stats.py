"""tensor_stats: sum, sum of squares, largest magnitude, non-finite and zero counts of any number of tensors, in one launch.

Shapes: P tensors, C chunks of 64 Ki numbers, B = 64 bins of the histogram.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from kernels.checked import checked, plain_name
from kernels.kernel import Kernel, Runner
from kernels.launch import KERNEL_PATH, capturing

CHUNK, BINS, THREADS = 65536, 64, 256
LOWEST = -47  # log2 of the lower end of bin 0, which also takes in everything smaller
FORMATS = {torch.float32: 0, torch.float16: 1, torch.bfloat16: 2}
REMEMBERED = 64  # tables; pointers of gradients come back in turns


@dataclass(frozen=True)
class Stats:
    """`values_P5`: sum, sum of squares, largest magnitude (NaN where there is one), non-finite, zeros; fp64, on the tensors' device.
    `bins_PB`: how many numbers have 2^(b-47) <= |x| < 2^(b-46); zeros and non-finite numbers are in no bin."""

    values_P5: Tensor
    bins_PB: Tensor | None = None

    @property
    def norms_P(self) -> Tensor:
        """Euclidean norms, fp32."""
        return self.values_P5[:, 1].sqrt().float()

    @property
    def largest_P(self) -> Tensor:
        return self.values_P5[:, 2]

    @property
    def nonfinite_P(self) -> Tensor:
        return self.values_P5[:, 3]

    @property
    def zeros_P(self) -> Tensor:
        return self.values_P5[:, 4]


def tensor_stats(tensors: Sequence[Tensor], *, histogram: bool = False) -> Stats:
    """Statistics of tensors of one device: the kernel where it can run, `reference` elsewhere.  Never waits for a GPU."""
    return kernel_stats(tensors, histogram=histogram) or reference(tensors, histogram=histogram)


def kernel_stats(tensors: Sequence[Tensor], *, histogram: bool = False) -> Stats | None:
    """Statistics of tensors of one device from the kernel, or None where it does not run; the record says why.  Never waits for a GPU."""
    if not tensors:
        return None
    device = tensors[0].device
    odd = next((t.dtype for t in tensors if t.dtype not in FORMATS), None)
    why = f"it takes {_formats()}, and was given {plain_name(odd)}" if odd else capturing(device)
    return KERNEL_PATH.run(KERNEL, device, why, lambda runner: launch_statistics(runner, tensors, histogram=histogram), lambda: None)


def _formats() -> str:
    return ", ".join(map(plain_name, FORMATS))


def reference(tensors: Sequence[Tensor], *, histogram: bool = False) -> Stats:
    """The specification, in fp64."""
    rows, bins = [], []
    for tensor in tensors:
        x = tensor.detach().double().flatten()
        size = x.abs()
        largest = size.max() if len(x) else x.new_zeros(())
        finite = torch.isfinite(x)
        rows.append(torch.stack([x.sum(), x.square().sum(), largest, (~finite).sum(), (x == 0).sum()]))
        exponent = torch.frexp(size[finite & (x != 0)]).exponent.long() - 1  # frexp's mantissa lies in [1/2, 1)
        bins.append(torch.bincount((exponent - LOWEST).clamp(0, BINS - 1), minlength=BINS))
    values = torch.stack(rows) if rows else torch.zeros(0, 5, dtype=torch.float64)
    return Stats(values, (torch.stack(bins) if bins else torch.zeros(0, BINS, dtype=torch.int64)) if histogram else None)


class _Table:
    """Which block reads what, on the device; and the rows and tickets that its blocks share, for one stream at a time."""

    def __init__(self, tensors: Sequence[Tensor], device: torch.device) -> None:
        chunks_P = [max(1, -(-t.numel() // CHUNK)) for t in tensors]  # an empty tensor has one chunk, which writes its zeros
        segments = [[t.data_ptr(), t.numel(), c, FORMATS[t.dtype]] for t, c in zip(tensors, chunks_P, strict=True)]
        counts = torch.tensor(chunks_P)
        owner = torch.repeat_interleave(torch.arange(len(tensors)), counts)
        index = torch.arange(len(owner)) - (counts.cumsum(0) - counts)[owner]
        self.blocks = len(owner)
        self.segments = _there(torch.tensor(segments, dtype=torch.int64), device)
        self.chunks = _there(torch.stack([owner, index], dim=1).int(), device)
        self.rows = torch.empty(self.blocks, 4, dtype=torch.int64, device=device)
        self.tickets = torch.zeros(len(tensors), dtype=torch.int32, device=device)


def _there(host: Tensor, device: torch.device) -> Tensor:
    """A copy that does not make the host wait."""
    return host.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else host


_TABLES: dict[int, OrderedDict[tuple, _Table]] = {}


def _table(tensors: Sequence[Tensor], runner: Runner) -> _Table:
    tables = _TABLES.setdefault(id(runner), OrderedDict()) if runner.device.type == "cuda" else OrderedDict()
    key = tuple((t.data_ptr(), t.numel(), t.dtype) for t in tensors)
    if key in tables:
        tables.move_to_end(key)
    else:
        tables[key] = _Table(tensors, runner.device)
        if len(tables) > REMEMBERED:
            tables.popitem(last=False)
    return tables[key]


def launch_statistics(runner: Runner, tensors: Sequence[Tensor], *, histogram: bool = False) -> Stats:
    """One launch for all tensors; fp32, fp16 and bf16 may be mixed.  Raises ValueError on another format or device."""
    dense = [checked("tensor_stats", f"tensor {i}", _flat(t.detach()), FORMATS, runner.device) for i, t in enumerate(tensors)]
    values = torch.empty(len(dense), 5, dtype=torch.float64, device=runner.device)
    bins = torch.zeros(len(dense), BINS, dtype=torch.int64, device=runner.device) if histogram else None
    if dense:
        table = _table(dense, runner)
        entry = f"tensor_stats<{'true' if histogram else 'false'}>"
        runner.launch(KERNEL, entry, table.blocks, THREADS, [table.segments, table.chunks, table.rows, table.tickets, values, bins])
    return Stats(values, bins)


def _flat(tensor: Tensor) -> Tensor:
    """The numbers as a vector, in the order of memory: a view where they lie side by side in whatever order, else a copy."""
    strides = sorted((stride, size) for size, stride in zip(tensor.shape, tensor.stride(), strict=True) if size != 1)
    expected = 1
    for stride, size in strides:
        if stride != expected:
            return tensor.flatten()
        expected *= size
    return tensor.as_strided((tensor.numel(),), (1,))


KERNEL = Kernel(name="tensor_stats", entries={"tensor_stats<false>": 80, "tensor_stats<true>": 80})
