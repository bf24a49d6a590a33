"""Probe: how large the router's logits are."""

from __future__ import annotations

from collections.abc import Iterable

from engine.labs.moe.models.routing import routed
from engine.labs.probe import Metric, Probe, Reading, Step


class RouterLogitMax(Probe):
    """The largest router logit of the step in absolute value, per layer; a router without logits gives no reading."""

    price = "cheap"
    needs = "routing"
    metrics = (Metric("router/logit_max", "largest absolute router logit of the step", layered=True),)

    def after(self, step: Step) -> Iterable[Reading]:
        for layer, module in routed(step.model).items():
            logits_TE = module.record.logits_TE
            if logits_TE is not None:
                yield Reading("router/logit_max", logits_TE.abs().amax(), layer)
