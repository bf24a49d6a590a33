"""Directional derivatives of a network by forward-mode differentiation, and what becomes of them in a consistency loss.

One path for all objectives: `tangent` gives F and J = tangent_scale * dF/dt, `Flow.residual` turns them into g, a remedy shapes g, and
`regress` moves F towards F + shaped g under a weight.

Shapes: B points, D coordinates.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.autograd import forward_ad

Function = Callable[[Tensor, Tensor], Tensor]  # (y_BD, t_B) -> (B, D)


@torch.no_grad()
def jvp(function: Function, y_BD: Tensor, t_B: Tensor, along_y_BD: Tensor, along_t_B: Tensor) -> tuple[Tensor, Tensor]:
    """-> the function and its derivative along (along_y, along_t), in one forward pass, in full precision and without a graph.

    bf16 and fp16 are switched off: half precision in the time embedding makes gradient spikes (NVlabs/rcm, issue 10).
    Raises ValueError where the output carries no derivative, for a derivative of zero that nobody computed would be trained on.
    """
    with torch.autocast(y_BD.device.type, enabled=False), forward_ad.dual_level():
        out = function(forward_ad.make_dual(y_BD, along_y_BD), forward_ad.make_dual(t_B, along_t_B))
        value, derivative = forward_ad.unpack_dual(out)
    if derivative is None:
        raise ValueError(
            "The network's output carries no forward derivative; give one that depends on y or t through operations of plain torch, "
            "without detach and without an operation that has a backward only."
        )
    return value, derivative


@dataclass
class Residual:
    """What an objective hands on: F with its gradient, the way g it should move, at which share of noise (0 data, 1 noise), the point
    y at time t with dy/dt, and J = tangent_scale * dF/dt where there is one."""

    F_BD: Tensor
    g_BD: Tensor
    noise_fraction_B: Tensor
    y_BD: Tensor
    t_B: Tensor
    dy_BD: Tensor
    J_BD: Tensor | None = None


@dataclass
class TangentRecord:
    """What the last training step did with its tangents, for the probes; nothing of it carries a gradient."""

    raw_B: Tensor  # |g| before shaping
    shaped_B: Tensor  # |g| after it
    derivative_B: Tensor | None  # |J|; None for objectives that need no derivative
    noise_fraction_B: Tensor


def row_norms(x_BD: Tensor) -> Tensor:
    return torch.linalg.vector_norm(x_BD, dim=1)


def squared_error(residual: Residual, shaped_BD: Tensor) -> Tensor:
    """Mean square over the coordinates of F - (F + shaped g), F in the brackets a constant -> (B,).

    Its value is that of the shaped tangent whatever the network does; only its gradient, -2 g / D with respect to F, teaches.
    """
    target_BD = residual.F_BD.detach().float() + shaped_BD
    return (residual.F_BD.float() - target_BD).square().mean(dim=1)
