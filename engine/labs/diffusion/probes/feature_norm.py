"""Probe `feature_norm`: how large the features of the decoder are in training, and how much they swing (Figure 1 of ScaleLong)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import torch

from engine.labs.diffusion.probes._fixed_pass import squared_norms
from engine.labs.probe import Metric, Probe, Reading, Step

if TYPE_CHECKING:
    from torch import Tensor, nn

    from engine.labs.lab import Lab

WINDOW = 50  # steps of the moving averages
LATE = 4  # `feature_norm/late` begins after one in so many steps


class FeatureNorm(Probe):
    """Squared norm of each decoder block's output on the training batch, mean over its pictures; the outermost block is the paper's.

    The swing is EMA|Δ| / EMA of that mean, over 50 steps.  A part of it is the change of batch: for a model at rest it would be
    2/√π · deviation between pictures / (√B · mean), the `chance` value.  A single NaN stays in the averages for good."""

    price = "cheap"
    needs = "long_skips"
    metrics = (
        Metric("feature_norm/train", "mean squared norm of the outermost decoder block's output, training batch"),
        Metric("feature_norm/late", "mean of feature_norm/train since a quarter of the run"),
        Metric("feature_norm/blocks", "the same of every decoder block, the outermost first", kind="vector"),
        Metric("oscillation/train", "mean change of feature_norm/train from step to step, divided by its mean, over about 50 steps"),
        Metric("oscillation/chance", "what of it the change of pictures and noise alone would give"),
    )

    def __init__(self, lab: Lab, model: nn.Module) -> None:
        self.watching = False
        self.seen: dict[int, Tensor] = {}
        self.first = lab.steps // LATE
        self.averages: dict[str, Tensor] = {}
        for i, block in enumerate(getattr(model, "decoder", ())):
            block.register_forward_hook(self._hook(i))

    def _hook(self, i: int) -> Any:
        def see(module: nn.Module, inputs: Any, output: Tensor) -> None:
            if self.watching:
                self.seen[i] = squared_norms(output)

        return see

    def prepare(self, step: Step) -> None:
        self.watching = True

    def gradients(self, step: Step) -> Iterable[Reading]:
        seen_NB, self.seen, self.watching = torch.stack([self.seen[i] for i in range(len(self.seen))]), {}, False
        means_N, now_B = seen_NB.mean(dim=1), seen_NB[0]
        now, a = means_N[0], self.averages
        yield Reading("feature_norm/train", now)
        yield Reading("feature_norm/blocks", means_N)
        if step.number >= self.first:
            a["total"], a["count"] = a.get("total", torch.zeros_like(now)) + now, a.get("count", torch.zeros_like(now)) + 1
            yield Reading("feature_norm/late", a["total"] / a["count"])
        if "before" in a:
            chance = 2.0 / math.sqrt(math.pi) * now_B.std() / math.sqrt(len(now_B)) if len(now_B) > 1 else now * math.nan
            seen_3 = torch.stack([now, (now - a["before"]).abs(), chance])
            a["moving"] = a.get("moving", torch.zeros_like(seen_3)) * (1.0 - 1.0 / WINDOW) + seen_3 / WINDOW  # level, change, chance
            swing, by_chance = (a["moving"][1:] / a["moving"][0]).unbind()
            yield Reading("oscillation/train", swing)
            yield Reading("oscillation/chance", by_chance)
        a["before"] = now

    def state(self) -> dict[str, Any]:
        return {"averages": dict(self.averages)}

    def load(self, state: Mapping[str, Any]) -> None:
        self.averages = dict(state["averages"])
