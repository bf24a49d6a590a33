"""Probe `loss_by_level`: how well little noise and much noise is removed."""

from __future__ import annotations

from collections.abc import Iterable

from engine.labs.diffusion.probes._fixed_pass import fixed_batch, fixed_pass
from engine.labs.probe import Metric, Probe, Reading, Step

BINS = 8


class LossByLevel(Probe):
    """Loss on the fixed batch, whole and in eight bins from the least to the most noise, each an eighth of the trained levels.

    Beside each bin its standard error over the pictures: differences below it mean nothing, except between readings of the same
    batch."""

    price = "cheap"
    every = 20
    needs = "long_skips"
    metrics = (
        Metric("loss/fixed", "task loss on the fixed batch"),
        Metric("loss_by_level", "loss of each eighth of the noise levels, the least noise first", kind="vector"),
        Metric("loss_by_level/error", "standard error of each over its pictures", kind="vector"),
    )

    def after(self, step: Step) -> Iterable[Reading]:
        batch, losses_B = fixed_batch(step), fixed_pass(step).losses_B
        bins_KB = losses_B[batch["sigma"].argsort()].view(BINS, -1)
        yield Reading("loss/fixed", losses_B.mean())
        yield Reading("loss_by_level", bins_KB.mean(dim=1))
        yield Reading("loss_by_level/error", bins_KB.std(dim=1) / bins_KB.shape[1] ** 0.5)
