"""Probe: how evenly the experts are loaded, as one number between 0 and 1."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch

from engine.labs.moe.models.routing import routed
from engine.labs.probe import Metric, Probe, Reading, Step


class RouterEntropy(Probe):
    """Entropy of the load: of where the tokens went, not of how sure the router was of a single token."""

    price = "cheap"
    needs = "routing"
    metrics = (
        Metric(
            "router/entropy",
            "entropy of the expert loads of the step divided by ln E: 1 is an even load, 0 one expert with everything; "
            "not the entropy of the router's probabilities for a token",
            layered=True,
        ),
    )

    def after(self, step: Step) -> Iterable[Reading]:
        for layer, module in routed(step.model).items():
            counts_E = module.record.counts_E
            load_E = counts_E / counts_E.sum()
            yield Reading("router/entropy", torch.special.entr(load_E).sum() / math.log(len(counts_E)), layer)
