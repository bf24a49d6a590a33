"""The benchmark of the kernel spam_adam: its sizes, the least that must move, and what it is compared with."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from kernels.kernel import Case
from kernels.spam_adam.spam_adam import Hyper, spam_adam


def cases(device: torch.device) -> Iterator[Case]:
    def fused(weights: list[Tensor], gradients: list[Tensor], **how: bool) -> torch.optim.Optimizer:
        parameters = [torch.nn.Parameter(w.clone()) for w in weights]
        for p, g in zip(parameters, gradients, strict=True):
            p.grad = g
        return torch.optim.AdamW(parameters, lr=1e-3, **how)

    for size, tensors, each in (("launch-bound", 64, 4096), ("in the L2 cache", 16, 65_536), ("beyond the L2 cache", 128, 1_000_003)):
        groups = [[torch.rand(each, device=device) for _ in range(tensors)] for _ in range(4)]
        foreach, torch_fused = fused(*groups[:2], foreach=True), fused(*groups[:2], fused=True)
        compiled = torch.compile(fused(*groups[:2], foreach=True).step)
        hyper = Hyper(lr=1e-3, decay=0.01, theta=5000.0, count=10)
        yield Case(
            size,
            28 * tensors * each,
            lambda groups=groups, hyper=hyper: spam_adam(*groups, [], hyper),
            {"foreach AdamW, eager": foreach.step, "fused AdamW of torch": torch_fused.step, "foreach AdamW, compiled": compiled},
        )
