"""Probe: how the tokens of a step were shared out among the experts."""

from __future__ import annotations

from collections.abc import Iterable

from engine.labs.moe.models.routing import routed
from engine.labs.probe import Metric, Probe, Reading, Step


class RouterLoad(Probe):
    """The share of the step's assignments that each expert received, per layer."""

    price = "cheap"
    needs = "routing"
    metrics = (
        Metric("router/load", "share of the step's assignments received by each expert; the shares sum to 1", kind="vector", layered=True),
    )

    def after(self, step: Step) -> Iterable[Reading]:
        for layer, module in routed(step.model).items():
            counts_E = module.record.counts_E
            yield Reading("router/load", counts_E / counts_E.sum(), layer)
