"""Probe `clipped`: how many coordinates of the gradient a spike-aware optimizer cut."""

from __future__ import annotations

from collections.abc import Iterable

from engine.labs.probe import Metric, Probe, Reading, Step


class Clipped(Probe):
    """Coordinates of the gradient that were spikes in this step, counted by the optimizer itself; only `optimizer=spam` counts them."""

    price = "free"
    metrics = (
        Metric("optimizer/clipped", "gradient coordinates that the optimizer clipped as spikes", unit="values", whole=True, low=0.0),
    )

    def after(self, step: Step) -> Iterable[Reading]:
        spam = getattr(step.optimizer, "spam", None)
        count = getattr(step.optimizer, "clipped", None)
        return [Reading("optimizer/clipped", count)] if spam and spam["theta"] > 0 and count is not None else ()
