"""Samples and pictures that labs and probes draw: from fixed noise, against fixed data, once for all probes of a step.

Shapes: N points, D coordinates; C channels, S pixels along a side.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from engine.labs.common.models.initialise import named_generator
from engine.labs.diffusion.datasets.clouds import cloud
from engine.labs.diffusion.datasets.plane import SIGMA_DATA
from engine.labs.diffusion.models.consistency import one_step, two_steps
from engine.labs.diffusion.models.energy_distance import energy_distance, mean_distance, scaled_split
from engine.labs.probe import Step

if TYPE_CHECKING:
    from engine.labs.capabilities import Consistency, ConsistencyModel, Pictures

SAMPLES = 1000
STEPS = 40  # of the sampler that follows a velocity
ROWS, COLUMNS = 2, 8  # of the sheet of drawn pictures
AT_ONCE = 100  # pictures that are drawn together
FLOORS = 16  # draws of real data over which the noise floor is taken


@dataclass(frozen=True)
class Against:
    """The same for every run of one distribution, so that runs can be compared: noise, unseen data, and what real data would score."""

    z_ND: Tensor
    fresh_ND: Tensor
    target_MD: Tensor
    within: Tensor
    floor: Tensor  # energy distance of as many unseen real points, in data units: mean,
    floor_high: Tensor  # and largest of FLOORS draws
    training: Tensor | None  # what training data scores, mean; None where every draw is new


@cache
def against(data: str, device: str) -> Against:
    source, generator = cloud(data), named_generator(0, f"evaluation/{data}")
    target = source.unseen(SAMPLES, generator)
    z, fresh = torch.randn(2, SAMPLES, source.d, generator=generator)
    within = mean_distance(target, target)

    def many(score: Callable[[], Tensor]) -> Tensor:
        return SIGMA_DATA * torch.stack([score() for _ in range(FLOORS)])

    def of_training() -> Tensor:
        return energy_distance(source.sample(SAMPLES, generator), target, within)

    if source.endless:
        floors, training = many(of_training), None
    else:  # few are held out, and all of them are the target: one half of them is held against the other
        floors, training = many(lambda: scaled_split(target, SAMPLES, generator)), many(of_training).mean().to(device)
    return Against(*(part.to(device) for part in (z, fresh, target, within, floors.mean(), floors.max())), training)


def drawn(step: Step[Consistency]) -> dict[str, Tensor]:
    """-> samples of the averaged weights after one and after two jumps, (N, D) each; the same for all probes of a step."""
    if "drawn" not in step.scratch:
        model: ConsistencyModel = step.model
        fixed = against(step.lab.data, str(next(model.parameters()).device))
        with torch.no_grad():
            F = model.averaged()
            step.scratch["drawn"] = {
                "one_step": one_step(model.flow, F, fixed.z_ND),
                "two_steps": two_steps(model.flow, F, fixed.z_ND, fixed.fresh_ND),
            }
    return step.scratch["drawn"]


def draw(step: Step[Pictures], count: int = ROWS * COLUMNS, noise: str = "samples") -> Tensor:
    """(count, C, S, S), of standard deviation about SIGMA_DATA, from the noise of that name.  Sampling happens in fp32."""
    lab, model = step.lab, step.model
    shape = (count, *lab.images().train_NCHW.shape[1:])
    device = next(model.parameters()).device
    sigmas = lab.sampler.levels().float()
    start = sigmas[0] * torch.randn(shape, generator=named_generator(0, noise)).to(device)

    network = model.ema.caller(model)
    with torch.no_grad(), torch.autocast(device.type, enabled=False):
        return torch.cat(
            [
                lab.sampler.sample(lambda at, sigma: lab.diffusion.denoise(network, at, sigma), x, sigmas.to(device))
                for x in start.split(AT_ONCE)
            ]
        )
