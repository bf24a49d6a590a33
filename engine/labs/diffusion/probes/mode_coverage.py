"""Probe `mode_coverage`: which share of the parts of the distribution the samples reach."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from engine.labs.diffusion._sampling import against, drawn
from engine.labs.diffusion.datasets.clouds import cloud
from engine.labs.probe import Metric, Probe, Reading, Step

if TYPE_CHECKING:
    from engine.labs.capabilities import Consistency

MODES = 8  # Gaussians of the ring, the distribution of the presets


class ModeCoverage(Probe):
    """Share of the Gaussians of a distribution in the plane that enough samples lie close to: within 3 standard deviations,
    and at least 0.16 of an equal share (2 % of all samples for the eight of the ring).  Nothing for digits."""

    price = "cheap"
    every = 100
    needs = "consistency"
    metrics = (
        Metric("mode_coverage/one_step", "share of the Gaussians reached by samples made in one jump", of=MODES, share=True),
        Metric("mode_coverage/two_steps", "share of the Gaussians reached by samples made in two jumps", of=MODES, share=True),
        Metric("mode_coverage/data", "what as many real points reach", of=MODES, share=True),
    )

    def after(self, step: Step[Consistency]) -> Iterable[Reading]:
        mixture = getattr(cloud(step.lab.data), "mixture", None)
        if mixture is None:
            return
        for name, x_N2 in drawn(step).items():
            yield Reading(f"mode_coverage/{name}", mixture.coverage(x_N2))
        yield Reading("mode_coverage/data", mixture.coverage(against(step.lab.data, str(next(step.model.parameters()).device)).target_MD))
