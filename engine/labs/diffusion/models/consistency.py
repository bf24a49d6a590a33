"""A network that jumps along the flow, with its average, its learned loss weight, and how samples are drawn from it.

Shapes: B points, D coordinates.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from engine.labs.diffusion.models.ema import Ema
from engine.labs.diffusion.models.flows import Flow, follow
from engine.labs.diffusion.models.tangent import TangentRecord
from engine.labs.diffusion.models.time_network import TimeNetwork

if TYPE_CHECKING:
    from engine.labs.diffusion.remedies.objective import Objective

Function = Callable[[Tensor, Tensor], Tensor]


class ConsistencyModel(nn.Module):
    """`network` learns; `ema` averages it; `log_variance` is the learned part of the loss weight; `record` is for the probes.

    `predict` asks the network in the time of its objective's flow: time and end go through `time_input` and `end_input` first.
    """

    def __init__(self, network: TimeNetwork, objective: Objective, log_variance: nn.Module | None) -> None:
        super().__init__()
        self.network, self.objective, self.flow = network, objective, objective.flow()
        self.log_variance = log_variance
        self.ema: Ema | None = None  # made once the weights have their initial values
        self.record: TangentRecord | None = None

    def predict(self, y_BD: Tensor, t_B: Tensor, end_B: Tensor | None = None, weights: dict[str, Tensor] | None = None) -> Tensor:
        """F at (y, t); `end_B`: where the jump ends, the data where nothing is said; `weights` in place of the network's own."""
        if self.network.end is None:
            given: tuple[Any, ...] = (y_BD, self.objective.time_input(t_B))
        else:
            end_B = torch.full_like(t_B, self.flow.data_end) if end_B is None else end_B
            given = (y_BD, self.objective.time_input(t_B), self.objective.end_input(t_B, end_B))
        return self.network(*given) if weights is None else functional_call(self.network, weights, given)

    def averaged(self) -> Function:
        """F with the averaged weights."""
        assert self.ema is not None
        weights = self.ema.weights()
        return lambda y_BD, t_B, end_B=None: self.predict(y_BD, t_B, end_B, weights).float()


@torch.no_grad()
def one_step(flow: Flow, F: Function, z_BD: Tensor) -> Tensor:
    """From noise to data in one jump."""
    t_B = z_BD.new_full((len(z_BD),), flow.noise_end)
    y_BD = flow.mix(torch.zeros_like(z_BD), z_BD, t_B)
    return flow.jump(F(y_BD, t_B), y_BD, t_B)


@torch.no_grad()
def two_steps(flow: Flow, F: Function, z_BD: Tensor, fresh_BD: Tensor) -> Tensor:
    """One jump, back to the middle with fresh noise, and another jump (sCM: t = 1.1; FACM: t = 1/2)."""
    t_B = z_BD.new_full((len(z_BD),), flow.middle)
    y_BD = flow.mix(one_step(flow, F, z_BD), fresh_BD, t_B)
    return flow.jump(F(y_BD, t_B), y_BD, t_B)


@torch.no_grad()
def many_steps(flow: Flow, F: Function, z_BD: Tensor, steps: int) -> Tensor:
    """The flow of the velocity F itself in equal steps of time: Euler on the straight line, DDIM on TrigFlow."""
    if flow.data_end == 0.0:
        return follow(F, math.sin(flow.noise_end) * z_BD, [flow.noise_end * (1 - i / steps) for i in range(steps + 1)])[-1]
    y_BD = z_BD
    for i in range(steps):
        y_BD = y_BD + F(y_BD, z_BD.new_full((len(z_BD),), i / steps)) / steps
    return y_BD


def derivative_norms(flow: Flow, F: Function, y_BD: Tensor, dy_BD: Tensor, t_B: Tensor) -> tuple[Tensor, Tensor]:
    """sCM, Figure 4: the lengths of the two parts of dF/dt, along the flow in space and in time alone -> two (B,)."""
    from engine.labs.diffusion.models.tangent import jvp, row_norms

    space_BD = jvp(F, y_BD, t_B, dy_BD, torch.zeros_like(t_B))[1]
    time_BD = jvp(F, y_BD, t_B, torch.zeros_like(y_BD), torch.ones_like(t_B))[1]
    return row_norms(space_BD), row_norms(time_BD)
