"""HyperRouter: a fixed network makes the router's weights out of one small vector, and only that vector is trained.

Shapes: T tokens, D width, E experts, H hidden units of the hypernetwork, k experts per token.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, relu

from engine.declare.knobs import knob
from engine.labs.moe.models.layer_info import LayerInfo
from engine.labs.moe.models.router_scores import RouterModule
from engine.labs.moe.models.routing import RouteContext, RoutingRecord
from engine.labs.moe.remedies.router._growing_k import SCHEDULE, WEIGHTS, GrowingChoice, Schedule, route_growing


class HyperRouter(GrowingChoice):
    """Differs: the released script freezes parameters by a name that no parameter of the hypernetwork has, so that by reading, not by
    running, it trains there; freeze_hypernet off does that. Its last layer starts so that the logits are as large as those of a linear
    router. Published are `8` to `16` of `16` experts per token.
    """

    idea = (
        "A small network with fixed random weights turns a vector e into the weights of the router. Only e is trained, so the router "
        "moves, but in few directions. The number of experts per token grows evenly from k_min to k_max over the run."
    )
    formula = r"(W,b)=V\,\mathrm{relu}(Ue),\ U,V\ \text{fixed};\quad s=Wx+b;\quad " + WEIGHTS + r";\quad " + SCHEDULE
    paper = "HyperRouter: Towards Efficient Training and Inference of Sparse Mixture of Experts (Do et al. 2023, arXiv 2312.07035)"
    cost = "H (E D + E) fixed numbers per layer, which one product a step turns into the router; one T by E matrix product."
    fails = (
        "By its formula nothing evens out the load, for there is no balance loss. With one expert per token its weight is always 1 and e "
        "gets no gradient, by the formula too. Neither is measured here."
    )
    reading = "authors' code"
    source = (
        "HyperRouterGate in custom_gate.py of giangdip2410/HyperRouter; its schedule in new_utils.py of VITA-Group/Random-MoE-as-Dropout"
    )

    hidden: int = knob(
        64,
        "hidden units of the hypernetwork",
        unit="units",
        source="64 in the authors' scripts",
        group="size",
        ge=1,
        le=4096,
    )
    freeze_hypernet: bool = knob(
        True,
        "the hypernetwork stays as it was drawn, and only the vector e is trained",
        source="the abstract: a fixed hypernetwork and trainable embeddings",
        group="remedy",
    )

    def build(self, d: int, experts: int, init_factor: float, info: LayerInfo) -> HyperRouterModule:
        schedule = Schedule(self.k_min, self.k_max, info.steps)
        return HyperRouterModule(d, experts, schedule, self.hidden, init_factor, self.freeze_hypernet)


class HyperRouterModule(RouterModule):
    """`embedding` is e; `inner` and `outer` are U and V with biases that start at 0.  A row of what they make is an expert's W and b."""

    def __init__(self, d: int, experts: int, schedule: Schedule, hidden: int, init_factor: float, freeze_hypernet: bool) -> None:
        super().__init__(experts, schedule.k_max)
        self.schedule = schedule
        self.embedding = nn.Parameter(torch.empty(1, d))
        self.inner = nn.Linear(d, hidden)
        self.outer = nn.Linear(hidden, experts * (d + 1))
        # Of U e a number has variance 1/3, of its relu the mean square is 1/6, and D + 1 numbers of variance 1/(3 (D + 1)) make a logit
        # of variance 1/3 for unit-variance tokens: std 0.577, as in a linear router.
        self.init_std = {"embedding": 1.0}
        self.inner.init_std = {"weight": 1 / (3 * d) ** 0.5}
        self.outer.init_std = {"weight": init_factor * (2 / (hidden * (d + 1))) ** 0.5}
        if freeze_hypernet:
            self.inner.requires_grad_(False)
            self.outer.requires_grad_(False)

    def forward(self, x_TD: Tensor, context: RouteContext) -> RoutingRecord:
        return route_growing(self.logits(x_TD), self.schedule.k(context.step))

    def logits(self, x_TD: Tensor) -> Tensor:
        """s = x W^T + b with what the hypernetwork makes, all of it never in less than fp32."""
        with torch.autocast(x_TD.device.type, enabled=False):
            wide = torch.promote_types(x_TD.dtype, torch.float32)
            hidden_1H = relu(linear(self.embedding.to(wide), self.inner.weight.to(wide), self.inner.bias.to(wide)))
            made = linear(hidden_1H, self.outer.weight.to(wide), self.outer.bias.to(wide)).view(self.experts, -1)
            return linear(x_TD.to(wide), made[:, :-1], made[:, -1])
