"""SMoE-Dropout: a router that is drawn once and never trained, and more experts per token as the run goes on.

Shapes: T tokens, D width, E experts, k experts per token.
"""

from __future__ import annotations

from torch import Tensor

from engine.labs.moe.models.layer_info import LayerInfo
from engine.labs.moe.models.router_scores import LinearRouter
from engine.labs.moe.models.routing import RouteContext, RoutingRecord
from engine.labs.moe.remedies.router._growing_k import SCHEDULE, WEIGHTS, GrowingChoice, Schedule, route_growing


class SMoEDropout(GrowingChoice):
    """Differs: the released gate is an nn.Linear with a bias, here it has none. There all experts may be averaged in evaluation; here
    evaluation uses as many as the training step that it follows. Published are `8` to `16` of `16` experts.
    """

    idea = (
        "The router is a random matrix that never changes, so that a token's experts change only where the token itself does. "
        "The number of experts per token grows evenly from k_min to k_max over the run, as if ever fewer experts were dropped out. "
        "The chosen are weighted by a softmax over them alone."
    )
    formula = r"s=Wx,\ W\ \text{fixed};\quad " + WEIGHTS + r";\quad " + SCHEDULE
    paper = (
        "Sparse MoE as the New Dropout: Scaling Dense and Self-Slimmable Transformers (Chen et al. 2023, arXiv 2303.01610), "
        "which HyperRouter compares itself with"
    )
    cost = "One T by E matrix product; no gradient of W. The work of the experts grows with k, k_max of them a token at the end."
    fails = (
        "By its formula nothing evens out the load: there is no balance loss, and with W fixed only the tokens could move. "
        "How uneven it is here is not measured. A run with another number of steps has another k at the same step."
    )
    reading = "authors' code"
    source = "CustomNaiveGate in custom_gate.py, linear_increase in new_utils.py of VITA-Group/Random-MoE-as-Dropout"

    def build(self, d: int, experts: int, init_factor: float, info: LayerInfo) -> SMoEDropoutRouter:
        return SMoEDropoutRouter(d, experts, Schedule(self.k_min, self.k_max, info.steps), init_factor)


class SMoEDropoutRouter(LinearRouter):
    """Gradients pass through the weights to the tokens, and to no parameter of the router."""

    def __init__(self, d: int, experts: int, schedule: Schedule, init_factor: float) -> None:
        super().__init__(d, experts, schedule.k_max, init_factor)
        self.schedule = schedule
        self.weight.requires_grad_(False)

    def forward(self, x_TD: Tensor, context: RouteContext) -> RoutingRecord:
        return route_growing(self.logits(x_TD), self.schedule.k(context.step))
