"""Probe: how far the busiest expert is above its fair share, and how far chance alone would put it there."""

from __future__ import annotations

import math
from collections.abc import Iterable

from engine.labs.moe.models.routing import routed
from engine.labs.probe import Metric, Probe, Reading, Step


class RouterMaxViolation(Probe):
    """MaxVio of the loss-free balancing paper on one training batch, beside the value that even routing reaches by chance."""

    price = "cheap"
    needs = "routing"
    metrics = (
        Metric(
            "router/max_violation",
            "largest expert load over the mean load, minus 1; 0 is perfect balance, E - 1 total collapse",
            layered=True,
        ),
        Metric(
            "router/max_violation_noise",
            "what tokens thrown at the experts at random would give: about sqrt(2 ln E / mean count); below it, imbalance is chance",
            layered=True,
        ),
    )

    def after(self, step: Step) -> Iterable[Reading]:
        for layer, module in routed(step.model).items():
            record = module.record
            counts_E = record.counts_E
            columns = record.experts_Tk.numel() if record.kept_Tk is None else int(counts_E.sum())  # unused columns choose nobody
            mean = columns / len(counts_E)
            yield Reading("router/max_violation", counts_E.max() / mean - 1.0, layer)
            yield Reading("router/max_violation_noise", math.sqrt(2.0 * math.log(len(counts_E)) / mean), layer)
