"""The benchmark of the kernel moe_route: its sizes, the least that must move, and what it is compared with.

Shapes: T tokens, E experts, k experts per token.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from kernels.kernel import Case
from kernels.moe_route.moe_route import moe_route


def _eager(logits: Tensor, k: int) -> list[Tensor]:
    """The same results from torch's own operations."""
    p = logits.softmax(dim=1)
    weights, chosen = p.topk(k, dim=1)
    counts = torch.bincount(chosen.flatten(), minlength=logits.shape[1])
    two = p.topk(2, dim=1).values
    return [p, weights, chosen, counts, logits.logsumexp(dim=1), torch.special.entr(p).sum(dim=1), two[:, 0] - two[:, 1]]


def cases(device: torch.device) -> Iterator[Case]:
    compiled: Callable[[Tensor, int], list[Tensor]] = torch.compile(_eager)
    graphed: Callable[[Tensor, int], list[Tensor]] = torch.compile(_eager, mode="reduce-overhead")
    sizes = (("launch-bound", 2048, 32, 1), ("in the L2 cache", 16_384, 64, 8), ("beyond the L2 cache", 1_048_576, 64, 8))
    for size, tokens, experts, k in sizes:
        logits = torch.randn(tokens, experts, device=device)
        yield Case(
            size,
            4 * tokens * (2 * experts + 3 * k + 3),
            lambda x=logits, k=k: moe_route(x, k),
            {
                "eager": lambda x=logits, k=k: _eager(x, k),
                "compiled": lambda x=logits, k=k: compiled(x, k),
                "compiled, CUDA graph": lambda x=logits, k=k: graphed(x, k),
            },
        )
