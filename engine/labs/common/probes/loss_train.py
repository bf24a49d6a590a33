"""Probe `loss_train`: the losses of every step."""

from __future__ import annotations

from collections.abc import Iterable

from engine.labs.probe import Metric, Probe, Reading, Step


class LossTrain(Probe):
    """The task loss of every training batch, before the step that it causes, and each auxiliary term beside it.

    What is minimised is the sum; `loss/train` is the task loss alone, so that arms with and without
    an auxiliary term can be compared."""

    price = "free"
    metrics = (
        Metric("loss/train", "task loss of the training batch"),
        Metric("loss/…", "an auxiliary term of the lab, under its own name, weighted as it is added"),
    )

    def gradients(self, step: Step) -> Iterable[Reading]:
        return [Reading(f"loss/{name}", value) for name, value in step.losses.items()]
