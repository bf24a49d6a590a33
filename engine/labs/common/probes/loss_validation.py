"""Probe `loss_validation`: the loss on text, images or graphs that are never trained on."""

from __future__ import annotations

from collections.abc import Iterable

from engine.labs.common.validation import validation_of
from engine.labs.probe import Metric, Probe, Reading, Step


class LossValidation(Probe):
    """Mean task loss over the lab's fixed validation batches, with the weights after the step.

    A non-finite result counts as infinite.  The last step is always evaluated, also in a run that does without this probe."""

    price = "cheap"
    every = 100
    metrics = (Metric("loss/validation", "task loss on the validation batches"),)

    def after(self, step: Step) -> Iterable[Reading]:
        value = validation_of(step)
        return () if value is None else [Reading("loss/validation", value)]
