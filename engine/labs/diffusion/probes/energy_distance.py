"""Probe `energy_distance`: how far samples of one, two and many steps are from the data."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import torch

from engine.labs.diffusion._sampling import STEPS, against, drawn
from engine.labs.diffusion.datasets.plane import SIGMA_DATA
from engine.labs.diffusion.models.consistency import many_steps
from engine.labs.diffusion.models.energy_distance import energy_distance
from engine.labs.diffusion.models.flows import TrigFlow
from engine.labs.probe import Metric, Probe, Reading, Step

if TYPE_CHECKING:
    from torch import Tensor, nn

    from engine.labs.capabilities import Consistency, ConsistencyModel
    from engine.labs.lab import Lab

SELDOM = 200  # sampling in many steps costs twenty times as much, so it is read in every 200th step


class EnergyDistance(Probe):
    """Energy distance between 1,000 samples of the averaged weights and unseen data, in data units (standard deviation 0.5).

    It is 0 only for equal distributions; as much real data that training does not see scores the floor.  Of digits few are held out: their
    floor is that of one half of these against the other, brought to the numbers that are scored, and what training pictures score
    stands beside it.  A model that misses parts of a distribution may score low all the same: read it beside the mode coverage.  A
    non-finite result counts as infinite."""

    price = "cheap"
    every = 100
    needs = "consistency"
    metrics = (
        Metric("energy_distance/one_step", "of samples made in one jump"),
        Metric("energy_distance/two_steps", "of samples made in two jumps, with fresh noise in between"),
        Metric("energy_distance/own_flow", "of samples made in 40 steps of the network's own velocity, where it learns one"),
        Metric("energy_distance/teacher", "of samples made in 40 steps of the velocity that serves as truth: exact, or a teacher's"),
        Metric("energy_distance/floor", "what as many unseen real points score, mean of 16 draws"),
        Metric("energy_distance/floor_high", "the largest of these 16: below it a difference from real data is chance"),
        Metric("energy_distance/training", "what as many training pictures score, mean of 16 draws: a model that repeats them scores it"),
    )

    def __init__(self, lab: Lab, model: nn.Module) -> None:
        self.teacher: Tensor | None = None

    def after(self, step: Step[Consistency]) -> Iterable[Reading]:
        model: ConsistencyModel = step.model
        fixed = against(step.lab.data, str(next(model.parameters()).device))

        def score(x_ND: Tensor) -> Tensor:
            return SIGMA_DATA * energy_distance(x_ND, fixed.target_MD, fixed.within)

        for name, x_ND in drawn(step).items():
            yield Reading(f"energy_distance/{name}", score(x_ND))
        if step.number % SELDOM == 0 or step.last:
            velocity = step.lab.own_velocity(model)
            if velocity is not None:
                yield Reading("energy_distance/own_flow", score(many_steps(model.flow, velocity, fixed.z_ND, STEPS)))
        if self.teacher is None and (field := step.lab.reference()) is not None:
            with torch.no_grad():
                self.teacher = score(many_steps(TrigFlow(), field, fixed.z_ND, STEPS))
        if self.teacher is not None:
            yield Reading("energy_distance/teacher", self.teacher)
        yield Reading("energy_distance/floor", fixed.floor)
        yield Reading("energy_distance/floor_high", fixed.floor_high)
        if fixed.training is not None:
            yield Reading("energy_distance/training", fixed.training)
