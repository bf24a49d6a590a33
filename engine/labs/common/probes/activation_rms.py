"""Probe `activation_rms`: how large the signal is from block to block."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import torch

from engine.labs.common.models.stages import stages
from engine.labs.common.norms import statistics
from engine.labs.probe import Metric, Probe, Reading, Step

if TYPE_CHECKING:
    from torch import Tensor, nn

    from engine.labs.lab import Lab


class ActivationRms(Probe):
    """Root mean square of what each block passes on in the training's forward pass.

    Blocks are the elements of the model's outermost lists of modules, or its direct children where it has none."""

    price = "cheap"
    every = 10
    metrics = (Metric("activation_rms", "root mean square of a block's output", layered=True),)

    def __init__(self, lab: Lab, model: nn.Module) -> None:
        self.watching = False
        self.seen: dict[str, Tensor] = {}
        for name, module in stages(model).items():
            module.register_forward_hook(self._hook(name))

    def _hook(self, name: str) -> Any:
        def see(module: nn.Module, inputs: Any, output: Any) -> None:
            if self.watching and (signal := first_tensor(output)) is not None:
                with torch.no_grad():
                    self.seen[name] = _rms(signal.detach())

        return see

    def prepare(self, step: Step) -> None:
        self.watching = True

    def gradients(self, step: Step) -> Iterable[Reading]:
        seen, self.seen, self.watching = self.seen, {}, False
        return [Reading("activation_rms", value, name) for name, value in seen.items()]


def _rms(signal: Tensor) -> Tensor:
    told = statistics([signal])
    return signal.float().square().mean().sqrt() if told is None else told.norms_P[0] / signal.numel() ** 0.5


def first_tensor(output: Any) -> Tensor | None:
    """The main output of a module that may return several things."""
    if isinstance(output, torch.Tensor):
        return output if output.is_floating_point() else None
    if isinstance(output, tuple | list):
        return next((found for part in output if (found := first_tensor(part)) is not None), None)
    return None
