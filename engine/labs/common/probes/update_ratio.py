"""Probe `update_ratio`: how far a step moves the weights, compared with their size."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import torch

from engine.labs.common.norms import Layers, norms, total
from engine.labs.probe import Metric, Probe, Reading, Step

if TYPE_CHECKING:
    from torch import nn

    from engine.labs.lab import Lab


class UpdateRatio(Probe):
    """Norm of what the optimizer added, divided by the norm of the weights before the step; about 1e-3 is usual.

    A layer whose weights are all zero before the step reads infinite.  Costs a copy of the weights in the steps it reads."""

    price = "cheap"
    every = 20
    metrics = (
        Metric("update_ratio", "norm of the step divided by the norm of all weights"),
        Metric("update_ratio", "norm of a layer's step divided by the norm of its weights", layered=True),
    )

    def __init__(self, lab: Lab, model: nn.Module) -> None:
        self.layers = Layers(name for name, _ in model.named_parameters())

    def gradients(self, step: Step) -> Iterable[Reading]:
        step.scratch["weights_before"] = [p.detach().clone() for p in step.model.parameters()]
        return ()

    def after(self, step: Step) -> Iterable[Reading]:
        before = step.scratch["weights_before"]
        size_P = norms(before)
        moved_P = norms(torch._foreach_sub([p.detach() for p in step.model.parameters()], before))
        yield Reading("update_ratio", total(moved_P) / total(size_P))
        for (layer, moved), (_, size) in zip(self.layers.norms(moved_P), self.layers.norms(size_P), strict=True):
            yield Reading("update_ratio", moved / size, layer)
