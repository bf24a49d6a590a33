"""BASE layers: in training an auction gives every expert the same number of tokens, with nearly the largest total score.

Shapes: T tokens, D width, E experts.
"""

from __future__ import annotations

from torch import Tensor

from engine.labs.moe.models.auction import auction
from engine.labs.moe.models.layer_info import LayerInfo
from engine.labs.moe.models.router_scores import LinearRouter, top_k
from engine.labs.moe.models.routing import RouteContext, RoutingRecord
from engine.labs.moe.remedies.router import RouterChoice


class Base(RouterChoice):
    """Differs: prices start where `20` iterations of Sinkhorn put them and not at 0, and the auction runs to its end, where the authors
    stop after `100` rounds.  Their centroids start orthogonal with gain `0.1` and their last matrix at 0; here both start as for every
    other router of this lab.  They shuffle tokens between machines before the auction, and there is one machine here.  Where the batch
    is no multiple of the experts, some get one token less."""

    idea = (
        "In training the experts bid for tokens in an auction that ends when each has exactly its share, with nearly the "
        "largest total score. In evaluation each token goes greedily to its largest score, for a single text has no batch to share out. "
        "The result is weighted by the sigmoid of the score, the only way for a gradient into the router."
    )
    formula = (
        r"\max_a\sum_t s_{t,a_t}\ \text{with}\ |\{t:a_t=e\}|=\tfrac TE\ \text{in training},"
        r"\quad a_t=\arg\max_e s_{te}\ \text{in evaluation};\quad y_t=\sigma(s_{t,a_t})\,\mathrm{FFN}_{a_t}(x_t)"
    )
    paper = "BASE Layers: Simplifying Training of Large, Sparse Models (Lewis et al. 2021, arXiv 2103.16716)"
    cost = "In each round of the auction a top-T/E over the T by E scores, and some iterations of Sinkhorn before; no loss, no parameter."
    fails = (
        "Evaluation is not balanced: by its formula greedy routing is as uneven as the scores are. In training a byte's expert follows "
        "from all others of the batch, later ones included. How far training and evaluation disagree is not measured here."
    )
    reading = "authors' code"
    leaks = ("training",)
    source = "base_layer.py and balanced_assignment.cpp of facebookresearch/fairseq; section 3 of the paper"

    def build(self, d: int, experts: int, init_factor: float, info: LayerInfo) -> BaseRouter:
        return BaseRouter(d, experts, 1, init_factor)


class BaseRouter(LinearRouter):
    def forward(self, x_TD: Tensor, context: RouteContext) -> RoutingRecord:
        logits_TE = self.logits(x_TD)
        scores_TE = logits_TE.sigmoid()
        chosen_T1 = auction(logits_TE.detach())[0].unsqueeze(1) if self.training else top_k(logits_TE.detach(), 1)
        return RoutingRecord(chosen_T1, scores_TE.gather(1, chosen_T1), scores_TE, logits_TE, "sigmoid")
