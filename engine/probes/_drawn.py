"""What the probes of samples share: fixed noise, fixed data to compare with, and the samples of one step, drawn once.

Shapes: N points, D coordinates.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor

from engine.datasets.clouds import cloud
from engine.datasets.plane import SIGMA_DATA
from engine.models.consistency import one_step, two_steps
from engine.models.energy_distance import energy_distance, mean_distance
from engine.models.initialise import named_generator
from engine.probe import Step

SAMPLES = 1000
FLOORS = 16  # draws of real data over which the noise floor is taken


@dataclass(frozen=True)
class Against:
    """The same for every run of one distribution, so that runs can be compared: noise, unseen data, and what real data would score."""

    z_ND: Tensor
    fresh_ND: Tensor
    target_MD: Tensor
    within: Tensor
    floor: Tensor  # energy distance of as many real points, in data units: mean,
    floor_high: Tensor  # and largest of FLOORS draws


@cache
def against(data: str, device: str) -> Against:
    source, dice = cloud(data), named_generator(0, f"evaluation/{data}")
    target = source.unseen(SAMPLES, dice)
    z, fresh = torch.randn(2, SAMPLES, source.d, generator=dice)
    within = mean_distance(target, target)
    floors = torch.stack([SIGMA_DATA * energy_distance(source.sample(SAMPLES, dice), target, within) for _ in range(FLOORS)])
    return Against(*(part.to(device) for part in (z, fresh, target, within, floors.mean(), floors.max())))


def drawn(step: Step) -> dict[str, Tensor]:
    """-> samples of the averaged weights after one and after two jumps, (N, D) each; the same for all probes of a step."""
    if "drawn" not in step.scratch:
        model: Any = step.model
        fixed = against(step.lab.data, str(next(model.parameters()).device))  # type: ignore[attr-defined]
        with torch.no_grad():
            F = model.averaged()
            step.scratch["drawn"] = {
                "one_step": one_step(model.flow, F, fixed.z_ND),
                "two_steps": two_steps(model.flow, F, fixed.z_ND, fixed.fresh_ND),
            }
    return step.scratch["drawn"]
