"""Probe: whether a training converges, as one number."""

from __future__ import annotations

from collections.abc import Iterable

from engine.labs.probe import Metric, Probe, Reading, Step


class TrainabilityValue(Probe):
    """The mean, over all steps so far, of the loss in units of the first loss, each step counted as 10⁶ at most.

    Under 1 the loss has mostly been lower than where it began.  Sohl-Dickstein 2024 (arXiv 2402.06184) draws the sum of the losses
    of trainings that converge, and the sum of their inverses otherwise; one mean with a cap orders both on one scale."""

    price = "free"
    needs = "trainability"
    metrics = (
        Metric(
            "trainability/value",
            "mean so far of min(L/L₀, 10⁶), where no number counts as 10⁶; above 1 the training has diverged",
            low=0.0,
            high=1e6,
        ),
    )

    def after(self, step: Step) -> Iterable[Reading]:
        return [Reading("trainability/value", step.batch["value"])]
