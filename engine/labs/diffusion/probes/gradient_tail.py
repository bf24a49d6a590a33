"""Probe `gradient_tail`: how much larger the largest gradients are than the usual ones."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import torch

from engine.labs.common.norms import gradient_norms, total
from engine.labs.probe import Metric, Probe, Reading, Step

if TYPE_CHECKING:
    from torch import Tensor, nn

    from engine.labs.lab import Lab

WINDOW = 200


class GradientTail(Probe):
    """The median and the 99th percentile of the gradient norm over the last 200 steps, and their ratio.

    A ratio of 2 is usual, above 10 is a training of spikes.  A training can also run away without a spike: then the ratio stays
    small while the median grows, so look at both."""

    price = "cheap"
    needs = "consistency"
    metrics = (
        Metric("gradient_tail/median", "median of the gradient norm over the last 200 steps"),
        Metric("gradient_tail/p99_over_median", "99th percentile over median of the last 200 steps"),
    )

    def __init__(self, lab: Lab, model: nn.Module) -> None:
        self.window: deque[Tensor] = deque(maxlen=WINDOW)

    def gradients(self, step: Step) -> Iterable[Reading]:
        self.window.append(total(gradient_norms(step)).detach())
        if step.number % 10 and not step.last:
            return ()
        seen = torch.stack(list(self.window)).double()
        median, p99 = seen.quantile(0.5), seen.quantile(0.99)
        return [Reading("gradient_tail/median", median), Reading("gradient_tail/p99_over_median", p99 / median)]

    def state(self) -> dict[str, Any]:
        return {"window": torch.stack(list(self.window)) if self.window else torch.zeros(0)}

    def load(self, state: Mapping[str, Any]) -> None:
        self.window = deque(state["window"].unbind(), maxlen=WINDOW)
