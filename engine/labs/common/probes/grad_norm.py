"""Probe `grad_norm`: how large the gradient is, in all and layer by layer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from engine.labs.common.norms import Layers, gradient_norms, total
from engine.labs.probe import Metric, Probe, Reading, Step

if TYPE_CHECKING:
    from torch import nn

    from engine.labs.lab import Lab


class GradNorm(Probe):
    """Euclidean norm of the gradient before clipping, of the whole model and of each layer.

    A layer is the module that owns the parameters.  Squares of the layers add up to the square of the whole."""

    price = "cheap"
    metrics = (
        Metric("grad_norm", "norm of the whole gradient before clipping"),
        Metric("grad_norm", "norm of a layer's gradient before clipping", layered=True),
    )

    def __init__(self, lab: Lab, model: nn.Module) -> None:
        self.layers = Layers(name for name, _ in model.named_parameters())

    def gradients(self, step: Step) -> Iterable[Reading]:
        norms_P = gradient_norms(step)
        yield Reading("grad_norm", total(norms_P))
        for layer, norm in self.layers.norms(norms_P):
            yield Reading("grad_norm", norm, layer)
