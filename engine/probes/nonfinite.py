"""Probe `nonfinite`: how many numbers of the training are no longer numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import torch

from engine.models.stages import stages
from engine.norms import gradient_norms, norms
from engine.probe import Metric, Probe, Reading, Step
from engine.probes.activation_rms import first_tensor

if TYPE_CHECKING:
    from torch import Tensor, nn

    from engine.lab import Lab


class NonFinite(Probe):
    """Count of NaN and infinities among the gradients, the weights after the step and the outputs of the blocks.

    Read at every step on a CPU, where a finite norm settles the matter, and at every tenth on a GPU."""

    price = "cheap"
    metrics = (
        Metric("nonfinite", "non-finite values in all three places together", unit="values"),
        Metric("nonfinite/gradient", "non-finite values in the gradient before clipping", unit="values"),
        Metric("nonfinite/weight", "non-finite weights after the step", unit="values"),
        Metric("nonfinite/activation", "non-finite values in the outputs of the blocks", unit="values"),
    )

    def __init__(self, lab: Lab, model: nn.Module) -> None:
        self.on_gpu = lab.device.startswith("cuda")
        self.watching = False
        self.seen: list[Tensor] = []
        for module in stages(model).values():
            module.register_forward_hook(self._see)

    def due(self, step: int, steps: int) -> bool:
        return not self.on_gpu or step % 10 == 0 or step == steps - 1

    def _see(self, module: nn.Module, inputs: Any, output: Any) -> None:
        if self.watching and (signal := first_tensor(output)) is not None:
            self.seen.append(signal.detach())

    def prepare(self, step: Step) -> None:
        self.watching = True

    def gradients(self, step: Step) -> Iterable[Reading]:
        seen, self.seen, self.watching = self.seen, [], False
        gradients = [p.grad for p in step.model.parameters() if p.grad is not None]
        self.counts = [self._count(gradients, lambda: gradient_norms(step)), self._count(seen, lambda: norms(seen))]
        return ()

    def after(self, step: Step) -> Iterable[Reading]:
        gradient, activation = self.counts
        weights = [p.detach() for p in step.model.parameters()]
        weight = self._count(weights, lambda: norms(weights))
        return [
            Reading("nonfinite", gradient + weight + activation),
            Reading("nonfinite/gradient", gradient),
            Reading("nonfinite/weight", weight),
            Reading("nonfinite/activation", activation),
        ]

    def _count(self, tensors: Sequence[Tensor], norms_P: Callable[[], Tensor]) -> Tensor | float:
        """Non-finite values in all tensors; x - x is 0 for a number and NaN for anything else."""
        if not tensors or (not self.on_gpu and bool(torch.isfinite(norms_P()).all())):
            return 0.0
        return torch.stack([torch.count_nonzero(t - t) for t in tensors]).sum()
