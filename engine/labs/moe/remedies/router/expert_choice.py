"""The experts choose: each takes the tokens that it likes best, as many as its share.

Shapes: T tokens, D width, E experts, C tokens per expert, K the most experts of one token.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from engine.declare.knobs import knob
from engine.labs.moe.models.layer_info import LayerInfo
from engine.labs.moe.models.router_scores import LinearRouter
from engine.labs.moe.models.routing import RouteContext, RoutingRecord
from engine.labs.moe.remedies.router import RouterChoice


class ExpertChoice(RouterChoice):
    """Differs: the bound on how many experts may take one token, which the paper solves by linear programming, is not built."""

    idea = (
        "Not a token chooses its experts: each expert takes the tokens of the batch with the largest probability for it, exactly its "
        "share. So every expert is equally busy by construction; a token may be taken by several experts or by none."
    )
    formula = (
        r"p=\mathrm{softmax}(Wx),\quad T_e=\mathrm{top}_C(p_{\cdot e}),\ C=\tfrac{nk}{E},\quad "
        r"y_t=\sum_{e:\,t\in T_e}p_{te}\,\mathrm{FFN}_e(x_t)"
    )
    paper = "Mixture-of-Experts with Expert Choice Routing (Zhou et al. 2022, arXiv 2202.09368)"
    cost = "A top-C over the tokens for each expert; no loss, no bias."
    fails = (
        "An exhibit for a leak: by its formula all later bytes, and the other sequences of the batch, take part in whether an expert "
        "takes a byte. The training loss of a language model can use that, and nothing can when a text is written byte by byte "
        "(Wang et al., arXiv 2408.15664, section 5). A token that no expert takes passes through the residual connection alone."
    )
    leaks = ("training", "evaluation")
    reading = "paper"
    source = "equations 1 to 3 and section 3.2; the chunk is the experiment of the loss-free paper's figure 9"

    k: int = knob(1, "experts per token on average", unit="experts", source="the paper: capacity factor 1 and 2", group="size", ge=1, le=64)
    chunk: int = knob(
        0,
        "bytes among which the experts choose, one after the other in the batch; 0 is the whole batch",
        unit="bytes",
        source="the loss-free paper: 512 tokens leak the most",
        group="stressor",
        ge=0,
        le=1_000_000,
    )

    def build(self, d: int, experts: int, init_factor: float, info: LayerInfo) -> ExpertChoiceRouter:
        return ExpertChoiceRouter(d, experts, self.k, init_factor, self.chunk)


class ExpertChoiceRouter(LinearRouter):
    def __init__(self, d: int, experts: int, k: int, init_factor: float = 1.0, chunk: int = 0) -> None:
        super().__init__(d, experts, k, init_factor)
        self.chunk = chunk

    def forward(self, x_TD: Tensor, context: RouteContext) -> RoutingRecord:
        logits_TE = self.logits(x_TD)
        probs_TE = logits_TE.softmax(dim=-1)
        taken_TE = torch.cat([taken(part, self.k) for part in probs_TE.detach().split(self.chunk or len(probs_TE))])
        most = max(1, int(taken_TE.sum(dim=1).max()))
        experts_TK = torch.where(taken_TE, probs_TE.detach(), -1.0).sort(dim=1, descending=True, stable=True).indices[:, :most]
        kept_TK = taken_TE.gather(1, experts_TK)
        weights_TK = probs_TE.gather(1, experts_TK) * kept_TK
        return RoutingRecord(experts_TK.masked_fill(~kept_TK, -1), weights_TK, probs_TE, logits_TE, "softmax", kept_Tk=kept_TK)


def taken(probs_TE: Tensor, k: int) -> Tensor:
    """Which tokens each expert takes: the ceil(T k / E) with its largest probabilities, of equal ones the earlier -> (T, E) bool."""
    T, E = probs_TE.shape
    places = min(T, math.ceil(T * k / E))
    first_CE = probs_TE.sort(dim=0, descending=True, stable=True).indices[:places]
    return torch.zeros_like(probs_TE, dtype=torch.bool).scatter_(0, first_CE, True)
