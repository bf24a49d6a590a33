"""The network of ScaleLong's theorems: blocks of one ReLU layer, long skips that are added.

f_i(x) = b_{i+1}(kappa_{i+1} a_{i+1}(x) + f_{i+1}(a_{i+1}(x))), a and b = ReLU(W x) with W ~ N(0, 2/m), f_N such a layer too.
Not trained: it is looked at as it begins.

Shapes: B inputs, m width, N skips.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor


def weights(skips: int, width: int, generator: torch.Generator) -> Tensor:
    """(2 N + 1, m, m), Kaiming: a_1 … a_N, the middle, b_1 … b_N."""
    return torch.randn(2 * skips + 1, width, width, generator=generator) * (2.0 / width) ** 0.5


def features(x_Bm: Tensor, layers: Tensor, kappas: Sequence[float]) -> Tensor:
    """h_0 = f_0(x) for one kappa per skip, the outermost first -> (B, m)."""
    skips, kept = len(kappas), []
    for a in layers[:skips]:
        x_Bm = torch.relu(x_Bm @ a.T)
        kept.append(x_Bm)
    h_Bm = torch.relu(x_Bm @ layers[skips].T)
    for b, kappa, skip_Bm in zip(layers[skips + 1 :].flip(0), reversed(kappas), reversed(kept), strict=True):
        h_Bm = torch.relu((kappa * skip_Bm + h_Bm) @ b.T)
    return h_Bm


def energies_and_gains(
    scalings: Iterable[Sequence[float]], skips: int, width: int, seed: int, push: float = 1e-3
) -> list[tuple[float, float]]:
    """‖h_0‖²/‖x‖² and ‖f(x+δ) - f(x)‖/‖δ‖ of one random network under each scaling (a kappa per skip): means over 4 random x and δ.

    δ has the length `push` ‖x‖.  All scalings meet the same weights and inputs, which are drawn once: drawing is what takes time.
    """
    generator = torch.Generator().manual_seed(seed)
    layers = weights(skips, width, generator)
    x_Bm, d_Bm = torch.randn(2, 4, width, generator=generator)
    d_Bm *= push * x_Bm.norm(dim=1, keepdim=True) / d_Bm.norm(dim=1, keepdim=True)
    out = []
    for kappas in scalings:
        h_Bm = features(x_Bm, layers, kappas)
        moved_Bm = features(x_Bm + d_Bm, layers, kappas) - h_Bm
        energy = (h_Bm.square().sum(dim=1) / x_Bm.square().sum(dim=1)).mean()
        out.append((energy.item(), (moved_Bm.norm(dim=1) / d_Bm.norm(dim=1)).mean().item()))
    return out
