"""An average of the weights over the past, with a half-life in steps; it lives in the model, so a checkpoint holds it.

`model.ema = Ema(model, half_life)` once, `model.ema.update(model)` after every optimizer step, and for a
forward pass with the average `model.ema.call(model, …)`, which changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call


class Ema(nn.Module):
    """w̄_t = sum over s ≤ t of d^(t-s) w_s / sum of d^(t-s), with d = 2^(-1/half_life): a weight seen `half_life` steps ago counts half.

    Bias-corrected: after one update the average is that weight itself and the initial weights are forgotten.  Half-life 0
    is no average at all.  Buffers only: no optimizer touches them, and nothing here waits for a GPU.
    """

    def __init__(self, model: nn.Module, half_life: float) -> None:
        super().__init__()
        self.names = tuple(name for name, _ in model.named_parameters())
        self.decay = 0.5 ** (1.0 / half_life) if half_life > 0 else 0.0
        self.register_buffer("mass", torch.zeros((), dtype=torch.float64))
        for i, parameter in enumerate(model.parameters()):
            self.register_buffer(f"sum_{i}", torch.zeros_like(parameter, dtype=torch.float32))

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Take the weights as they are now into the average."""
        now = [parameter.detach().float() for parameter in model.parameters()]
        torch._foreach_lerp_(self._sums(), now, 1.0 - self.decay)
        self.mass.mul_(self.decay).add_(1.0 - self.decay)

    @torch.no_grad()
    def weights(self) -> dict[str, Tensor]:
        """The averaged weights by parameter name, new tensors; NaN before the first update."""
        return dict(zip(self.names, torch._foreach_div(self._sums(), self.mass.float()), strict=True))

    def call(self, model: nn.Module, *inputs: Any) -> Any:
        """The model's forward pass with the averaged weights."""
        return self.caller(model)(*inputs)

    def caller(self, model: nn.Module) -> Callable[..., Any]:
        """The model with the averaged weights as they are now, to be called many times.

        With tie_weights, torch 2.13 puts the averages into a module that stands in two places twice over, and afterwards takes the
        first set for the original: the model would be left with them.  Without, such a module is replaced once, under its first name.
        """
        weights = self.weights()
        return lambda *inputs: functional_call(model, weights, inputs, tie_weights=False)

    def _sums(self) -> list[Tensor]:
        return [self.get_buffer(f"sum_{i}") for i in range(len(self.names))]
