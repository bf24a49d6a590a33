"""No router at all: the expert is the byte's number modulo the number of experts.

Shapes: T tokens, E experts.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from engine.labs.moe.models.place import Place
from engine.labs.moe.models.router_scores import RouterModule
from engine.labs.moe.models.routing import RouteContext, RoutingRecord
from engine.labs.moe.remedies.router import RouterChoice


class Hash(RouterChoice):
    """Differs: the table is the byte's number modulo E; the paper's random and balanced tables are not built."""

    idea = (
        "Nothing is learned: a byte always goes to the expert with its number modulo the number of experts. "
        "The table never moves, so training leaves every expert its bytes: the load is as even as the bytes are frequent."
    )
    formula = r"e(t)=\mathrm{byte}_t \bmod E,\quad y=\mathrm{FFN}_{e(t)}(x_t)"
    paper = "Hash Layers For Large Sparse Models (Roller et al. 2021, arXiv 2106.04426)"
    cost = "Nothing: no matrix product, no parameter."
    fails = (
        "By its formula the load is as uneven as the text: all spaces of a source file go to one expert. "
        "Its result has weight 1, where a softmax router multiplies by a probability below 1, "
        "so a difference in loss between the two is not a comparison of routing alone."
    )
    reading = "public code"
    source = "the hash layer of Hunter-DDM/stablemoe (a table by token, weight 1); Clark et al. 2022 (arXiv 2202.01169) compare it as HASH"

    def build(self, d: int, experts: int, init_factor: float, place: Place) -> HashRouter:
        return HashRouter(experts, k=1)


class HashRouter(RouterModule):
    """One expert per token, combine weight 1, no logits."""

    def forward(self, x_TD: Tensor, context: RouteContext) -> RoutingRecord:
        experts_T1 = (context.ids_T % self.experts).unsqueeze(1)
        probs_TE = one_hot(experts_T1.squeeze(1), self.experts).to(torch.float32)
        return RoutingRecord(experts_T1, torch.ones_like(experts_T1, dtype=torch.float32), probs_TE, None, "hash")
