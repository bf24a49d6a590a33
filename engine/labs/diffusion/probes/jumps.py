"""Probe `jumps`: where a few fixed points of noise are taken in one jump, often enough for a film."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import torch

from engine.labs.diffusion._sampling import against
from engine.labs.diffusion.datasets.plane import SIGMA_DATA
from engine.labs.diffusion.models.consistency import one_step
from engine.labs.probe import Metric, Probe, Reading, Step

if TYPE_CHECKING:
    from engine.labs.capabilities import Consistency

POINTS = 64
PLANE = 2


class Jumps(Probe):
    """64 fixed points of noise and where one jump of the averaged weights takes them, in data units.

    Nothing is read where the data do not lie in the plane."""

    price = "cheap"
    every = 10
    needs = "consistency"
    metrics = (Metric("jumps", "start and end of each jump: x, y, x, y; shape (64, 4)", kind="vector"),)

    def after(self, step: Step[Consistency]) -> Iterable[Reading]:
        fixed = against(step.lab.data, str(next(step.model.parameters()).device))
        z_ND = fixed.z_ND[:POINTS]
        if z_ND.shape[1] != PLANE:
            return
        end_N2 = one_step(step.model.flow, step.model.averaged(), z_ND)
        yield Reading("jumps", SIGMA_DATA * torch.cat([z_ND, end_N2], dim=1))
