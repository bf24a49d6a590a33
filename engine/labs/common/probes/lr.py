"""Probe `lr`: the learning rate in force."""

from __future__ import annotations

from collections.abc import Iterable

from engine.labs.probe import Metric, Probe, Reading, Step


class LearningRate(Probe):
    """The learning rate with which the step was made: warm-up, bursts and cuts included."""

    price = "free"
    metrics = (Metric("lr", "learning rate of the step"),)

    def gradients(self, step: Step) -> Iterable[Reading]:
        return [Reading("lr", step.lr)]
