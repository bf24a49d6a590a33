"""Probe `loss_ema`: how good the averaged weights are, which draw the samples."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import torch

from engine.labs.diffusion.probes._fixed_pass import fixed_batch
from engine.labs.probe import Metric, Probe, Reading, Step

if TYPE_CHECKING:
    from engine.labs.capabilities import LongSkips


class LossEma(Probe):
    """Task loss on the fixed batch with the averaged weights; beside `loss/fixed` it shows what the average gains or how far it lags."""

    price = "cheap"
    every = 100
    needs = "long_skips"
    metrics = (Metric("loss/ema", "task loss on the fixed batch with the averaged weights"),)

    def after(self, step: Step[LongSkips]) -> Iterable[Reading]:
        model = step.model
        with torch.no_grad(), step.number_format():
            losses_B = step.lab.loss_of_each(lambda x, label: model.ema.call(model, x, label), fixed_batch(step))
        yield Reading("loss/ema", losses_B.mean())
