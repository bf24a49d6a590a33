"""Probe `consistency_error`: how far the jumps land from where the true flow ends.

Shapes: K times, N flow lines, D coordinates.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import torch

from engine.labs.diffusion._sampling import against
from engine.labs.diffusion.datasets.plane import SIGMA_DATA
from engine.labs.diffusion.models.flows import TrigFlow, Velocity, follow
from engine.labs.diffusion.models.tangent import row_norms
from engine.labs.probe import Metric, Probe, Reading, Step

if TYPE_CHECKING:
    from torch import Tensor, nn

    from engine.labs.capabilities import Consistency, ConsistencyModel
    from engine.labs.lab import Lab

LINES = 256
STEPS = 64
EVERY = 4  # of those, which are looked at


class ConsistencyError(Probe):
    """Distance between the jump from a point of an exact flow line and the true end of that line, root mean square over 256 lines.

    The lines follow the closed-form flow of the mixture, or a teacher; without either there is no reading.  The vector is by time,
    from the noise to the data; the floor is what halving the step of the solver changes."""

    price = "cheap"
    every = 200
    needs = "consistency"
    metrics = (
        Metric("consistency_error", "over all times, in data units"),
        Metric("consistency_error/from_noise", "from the noise end alone: the error of the one-step sampler, in data units"),
        Metric("consistency_error/by_noise", "for each of 16 times from the noise to the data, in data units", kind="vector"),
        Metric("consistency_error/floor", "error of the exact flow as it is computed here, in data units"),
    )

    def __init__(self, lab: Lab, model: nn.Module) -> None:
        self.lines: tuple[Tensor, Tensor, Tensor] | None = None

    def after(self, step: Step[Consistency]) -> Iterable[Reading]:
        model: ConsistencyModel = step.model
        if self.lines is None:
            field = step.lab.reference()
            if field is None:
                return
            self.lines = lines(field, against(step.lab.data, str(next(model.parameters()).device)).z_ND[:LINES])
        y_KND, end_ND, floor = self.lines
        K, N, D = y_KND.shape
        t_B = torch.tensor(times(STEPS)[:-1:EVERY], device=y_KND.device).repeat_interleave(N)
        y_BD, own_B = model.flow.from_trig(y_KND.reshape(K * N, D), t_B)
        off_B = row_norms(model.flow.jump(model.averaged()(y_BD, own_B), y_BD, own_B) - end_ND.repeat(K, 1))
        by_noise_K = SIGMA_DATA * off_B.reshape(K, N).square().mean(dim=1).sqrt()
        yield Reading("consistency_error", by_noise_K.square().mean().sqrt())
        yield Reading("consistency_error/from_noise", by_noise_K[0])
        yield Reading("consistency_error/by_noise", by_noise_K)
        yield Reading("consistency_error/floor", floor)


def times(steps: int) -> list[float]:
    """From the noise end of TrigFlow to the data, evenly."""
    return [TrigFlow.noise_end * (1 - i / steps) for i in range(steps + 1)]


def lines(field: Velocity, z_ND: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """-> points of N flow lines at 16 times (K, N, D), their ends (N, D), and how far half the step moves the ends ()."""
    start = TrigFlow().mix(torch.zeros_like(z_ND), z_ND, z_ND.new_full((len(z_ND),), TrigFlow.noise_end))
    coarse, fine = (follow(field, start, times(n), heun=True) for n in (STEPS, 2 * STEPS))
    off = row_norms(coarse[-1] - fine[-1]).square().mean().sqrt()
    return torch.stack(fine[: -1 : 2 * EVERY]), fine[-1], SIGMA_DATA * off
