"""Probe `derivative_norms`: Figure 4 of sCM, live: the two parts of dF/dt against the noise.

Shapes: K noise shares, N points each.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import torch

from engine.labs.common.models.initialise import named_generator
from engine.labs.diffusion.datasets.clouds import cloud
from engine.labs.diffusion.models.consistency import derivative_norms
from engine.labs.probe import Metric, Probe, Reading, Step

if TYPE_CHECKING:
    from torch import Tensor, nn

    from engine.labs.capabilities import Consistency, ConsistencyModel
    from engine.labs.lab import Lab

SHARES = 24
POINTS = 48


class DerivativeNorms(Probe):
    """Lengths of ∇F·dx and of ∂F/∂t on fixed pairs at 24 shares of noise, (i + 1/2)/24 with 0 the data and 1 the noise.

    The first is benign.  The second is where the instability lives: it grows with the frequency of the time embedding."""

    price = "cheap"
    every = 200
    needs = "consistency"
    metrics = (
        Metric("derivative/space", "mean length of the derivative along the flow in space"),
        Metric("derivative/time", "mean length of the derivative with respect to time"),
        Metric("derivative/space_by_noise", "the same for each share of noise", kind="vector"),
        Metric("derivative/time_by_noise", "the same for each share of noise", kind="vector"),
    )

    def __init__(self, lab: Lab, model: nn.Module) -> None:
        self.fixed: tuple[Tensor, Tensor, Tensor] | None = None

    def after(self, step: Step[Consistency]) -> Iterable[Reading]:
        model: ConsistencyModel = step.model
        if self.fixed is None:
            self.fixed = pairs(step.lab.data, model.flow, shares(), next(model.parameters()).device)
        for name, norm_N in zip(("space", "time"), derivative_norms(model.flow, model.predict, *self.fixed), strict=True):
            by_noise_K = norm_N.reshape(SHARES, POINTS).mean(dim=1)
            yield Reading(f"derivative/{name}", by_noise_K.mean())
            yield Reading(f"derivative/{name}_by_noise", by_noise_K)


def shares(n: int = SHARES) -> Tensor:
    """-> (n,) shares of noise, evenly, none of them an end of the interval."""
    return (torch.arange(n) + 0.5) / n


def pairs(data: str, flow: Any, shares_K: Tensor, device: torch.device | str = "cpu") -> tuple[Tensor, Tensor, Tensor]:
    """-> points on the way, dy/dt there and times, (K N, D), (K N, D), (K N,): the same pairs at every share."""
    source, generator = cloud(data), named_generator(0, f"derivative_norms/{data}")
    y, z = source.sample(POINTS, generator), torch.randn(POINTS, source.d, generator=generator)
    t = flow.at(shares_K).repeat_interleave(POINTS)
    y, z = y.repeat(len(shares_K), 1), z.repeat(len(shares_K), 1)
    return flow.mix(y, z, t).to(device), flow.velocity(y, z, t).to(device), t.to(device)
