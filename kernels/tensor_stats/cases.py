"""The benchmark of the kernel tensor_stats: its sizes, the least that must move, and what it is compared with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from kernels.kernel import Case
from kernels.tensor_stats.tensor_stats import tensor_stats


def _six_passes(tensors: Sequence[Tensor]) -> list[Tensor]:
    """The same statistics from torch's own operations."""
    norms, largest = torch._foreach_norm(tensors), torch._foreach_norm(tensors, float("inf"))
    rest = [torch.stack([t.sum(), (~torch.isfinite(t)).sum(), (t == 0).sum()]) for t in tensors]
    return [torch.stack(norms), torch.stack(largest), torch.stack(rest)]


def cases(device: torch.device) -> Iterator[Case]:
    compiled = torch.compile(_six_passes)
    for size, tensors, each in (("launch-bound", 64, 4096), ("in the L2 cache", 32, 262_144), ("beyond the L2 cache", 128, 1_000_003)):
        data = [torch.randn(each, device=device) for _ in range(tensors)]
        yield Case(
            size,
            4 * tensors * each,
            lambda data=data: tensor_stats(data),
            {
                "eager, all statistics": lambda data=data: _six_passes(data),
                "compiled, all statistics": lambda data=data: compiled(data),
                "foreach_norm alone": lambda data=data: torch._foreach_norm(data),
            },
        )
