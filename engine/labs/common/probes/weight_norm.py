"""Probe `weight_norm`: how large the weights have become."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from engine.labs.common.norms import Layers, norms, total, weight_statistics
from engine.labs.probe import Metric, Probe, Reading, Step

if TYPE_CHECKING:
    from torch import nn

    from engine.labs.lab import Lab


class WeightNorm(Probe):
    """Euclidean norm of the weights after the step, of the whole model and of each layer."""

    price = "cheap"
    every = 20
    metrics = (
        Metric("weight_norm", "norm of all weights"),
        Metric("weight_norm", "norm of a layer's weights", layered=True),
    )

    def __init__(self, lab: Lab, model: nn.Module) -> None:
        self.layers = Layers(name for name, _ in model.named_parameters())

    def after(self, step: Step) -> Iterable[Reading]:
        norms_P = norms(list(step.model.parameters()), weight_statistics(step))
        yield Reading("weight_norm", total(norms_P))
        for layer, norm in self.layers.norms(norms_P):
            yield Reading("weight_norm", norm, layer)
