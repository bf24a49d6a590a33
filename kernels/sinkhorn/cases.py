"""The benchmark of the kernel sinkhorn: its sizes, the least that must move, and what it is compared with."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from kernels.kernel import Case
from kernels.sinkhorn.sinkhorn import ON_CHIP, WARPS, reference, sinkhorn


def cases(device: torch.device) -> Iterator[Case]:
    compiled, graphed = torch.compile(reference), torch.compile(reference, mode="reduce-overhead")
    sizes = (("launch-bound, on chip", 512, 16, 10), ("in the L2 cache", 16_384, 64, 10), ("beyond the L2 cache", 65_536, 1024, 3))
    for size, T, E, iterations in sizes:
        scores = torch.randn(T, E, device=device)
        streamed = 4 * (T * E + T + E + WARPS) > ON_CHIP
        yield Case(
            size,
            4 * T * E * (iterations if streamed else 1),
            lambda s=scores, n=iterations: sinkhorn(s, n),
            {
                "eager": lambda s=scores, n=iterations: reference(s, n),
                "compiled": lambda s=scores, n=iterations: compiled(s, n),
                "compiled, CUDA graph": lambda s=scores, n=iterations: graphed(s, n),
            },
        )
