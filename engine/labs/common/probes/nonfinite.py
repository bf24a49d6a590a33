"""Probe `nonfinite`: how many numbers of the training are no longer numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import torch

from engine.labs.common.models.stages import stages
from engine.labs.common.norms import gradient_norms, gradient_statistics, norms, statistics, weight_statistics
from engine.labs.common.probes.activation_rms import first_tensor
from engine.labs.probe import Metric, Probe, Reading, Step

if TYPE_CHECKING:
    from torch import Tensor, nn

    from engine.labs.lab import Lab
    from kernels.tensor_stats.tensor_stats import Stats


class NonFinite(Probe):
    """Count of NaN and infinities among the gradients, the weights after the step and the outputs of the blocks.

    Read at every tenth step; on a CPU, where looking at the gradient's norm costs nothing, also at every step with a non-finite one."""

    price = "cheap"
    every = 10
    metrics = (
        Metric("nonfinite", "non-finite values in all three places together", unit="values", whole=True, low=0.0),
        Metric("nonfinite/gradient", "non-finite values in the gradient before clipping", unit="values", whole=True, low=0.0),
        Metric("nonfinite/weight", "non-finite weights after the step", unit="values", whole=True, low=0.0),
        Metric("nonfinite/activation", "non-finite values in the outputs of the blocks", unit="values", whole=True, low=0.0),
    )

    def __init__(self, lab: Lab, model: nn.Module) -> None:
        self.on_gpu = lab.device.startswith("cuda")
        self.watching = False
        self.seen: list[Tensor] = []
        self.counts: list[Tensor | float] = []
        for module in stages(model).values():
            module.register_forward_hook(self._see)

    def due(self, step: int, steps: int) -> bool:
        return not self.on_gpu or super().due(step, steps)

    def _see(self, module: nn.Module, inputs: Any, output: Any) -> None:
        if self.watching and (signal := first_tensor(output)) is not None:
            self.seen.append(signal.detach())

    def prepare(self, step: Step) -> None:
        self.watching = True

    def gradients(self, step: Step) -> Iterable[Reading]:
        seen, self.seen, self.watching, self.counts = self.seen, [], False, []
        if super().due(step.number, step.steps) or not _all_finite(gradient_norms(step)):
            gradients = [p.grad for p in step.model.parameters() if p.grad is not None]
            self.counts = [self._count(gradients, gradient_statistics(step)), self._count(seen)]
        return ()

    def after(self, step: Step) -> Iterable[Reading]:
        if not self.counts:
            return ()
        gradient, activation = self.counts
        weight = self._count([p.detach() for p in step.model.parameters()], weight_statistics(step))
        return [
            Reading("nonfinite", gradient + weight + activation),
            Reading("nonfinite/gradient", gradient),
            Reading("nonfinite/weight", weight),
            Reading("nonfinite/activation", activation),
        ]

    def _count(self, tensors: Sequence[Tensor], stats: Stats | None = None) -> Tensor | float:
        """Non-finite values in all tensors, from statistics where there are some; x - x is 0 for a number and NaN for anything else."""
        if not tensors or (not self.on_gpu and _all_finite(norms(tensors))):
            return 0.0
        stats = stats or statistics(tensors)
        return torch.stack([torch.count_nonzero(t - t) for t in tensors]).sum() if stats is None else stats.nonfinite_P.sum()


def _all_finite(norms_P: Tensor) -> bool:
    return bool(torch.isfinite(norms_P).all())
