"""A router that never learns: random scores, drawn once.

Shapes: T tokens, D width, E experts, k experts per token.
"""

from __future__ import annotations

from torch import Tensor

from engine.declare.knobs import knob
from engine.labs.moe.models.layer_info import LayerInfo
from engine.labs.moe.models.router_scores import LinearRouter, route
from engine.labs.moe.models.routing import RouteContext, RoutingRecord
from engine.labs.moe.remedies.router import RouterChoice


class FrozenRandom(RouterChoice):
    """Differs: SMoE-Dropout lets the number of experts grow with the steps, which is the router smoe_dropout; here it stays k."""

    idea = (
        "The router's matrix is drawn once and never trained. Tokens still go to the experts with the largest softmax probability, so "
        "similar tokens meet at the same expert. What moves a token to another expert is the change of its own representation alone."
    )
    formula = r"p=\mathrm{softmax}(Wx),\quad y=\sum_{e\in\mathrm{top}_k(p)}p_e\,\mathrm{FFN}_e(x),\quad W\ \text{fixed}"
    paper = "Sparse MoE as the New Dropout (Chen et al. 2023, arXiv 2303.01610), which begins with a random router that is never trained"
    cost = "One T by E matrix product and a softmax per layer; no gradient of the router, no extra loss."
    fails = (
        "Nothing in its formula keeps the experts busy, and nothing lets the router correct a poor draw. "
        "How it compares with a router that learns is not measured here."
    )
    reading = "public code"
    source = "the random gate of custom_gate.py in giangdip2410/HyperRouter; the weights by softmax are Switch's, eq. 2"

    k: int = knob(1, "experts per token", unit="experts", group="size", ge=1, le=64)

    def build(self, d: int, experts: int, init_factor: float, info: LayerInfo) -> FrozenRandomRouter:
        return FrozenRandomRouter(d, experts, self.k, init_factor)


class FrozenRandomRouter(LinearRouter):
    def __init__(self, d: int, experts: int, k: int, init_factor: float = 1.0) -> None:
        super().__init__(d, experts, k, init_factor)
        self.weight.requires_grad_(False)

    def forward(self, x_TD: Tensor, context: RouteContext) -> RoutingRecord:
        return route(self.logits(x_TD), self.k)
