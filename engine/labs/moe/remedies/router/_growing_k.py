"""What SMoE-Dropout and HyperRouter share: experts per token that grow over the run, weighted by a softmax over the chosen alone.

Shapes: T tokens, E experts, k experts per token.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import Tensor

from engine.declare.knobs import knob
from engine.labs.moe.models.router_scores import route
from engine.labs.moe.models.routing import RoutingRecord
from engine.labs.moe.remedies.router import RouterChoice

WEIGHTS = r"w_{te}=\frac{e^{s_{te}}}{\sum_{j\in S_t}e^{s_{tj}}},\ S_t=\mathrm{top}_{k(\tau)}(s_t)"
SCHEDULE = r"k(\tau)=k_{\min}+\mathrm{round}\bigl((k_{\max}-k_{\min})\,\tau/\tau_{\mathrm{all}}\bigr)"


class GrowingChoice(RouterChoice):
    """What both are asked."""

    k_min: int = knob(
        2, "experts per token in the first step", unit="experts", source="our choice; published is 8 of 16", group="size", ge=1, le=64
    )
    k_max: int = knob(
        4, "experts per token at the end", unit="experts", source="our choice; published are all 16 of 16", group="size", ge=1, le=64
    )


@dataclass(frozen=True)
class Schedule:
    """From `k_min` to `k_max` experts per token over `steps` optimizer steps."""

    k_min: int
    k_max: int
    steps: int

    def __post_init__(self) -> None:
        if self.k_min > self.k_max:
            raise ValueError(f"k_min={self.k_min} is larger than k_max={self.k_max}; give a k_min of {self.k_max} at most.")

    def k(self, step: int) -> int:
        """After `step` optimizer steps; a step beyond the last one has `k_max`."""
        return self.k_min + round((self.k_max - self.k_min) * min(step, self.steps) / self.steps)


def route_growing(logits_TE: Tensor, k: int) -> RoutingRecord:
    """The k largest logits of each token; their own softmax, which sums to 1, as weights."""
    record = route(logits_TE, k)
    return replace(record, weights_Tk=logits_TE.gather(1, record.experts_Tk).softmax(dim=-1))
