"""Graph of tokens: a token's chances of the experts are mixed with those of the earlier tokens that it is tied to.

Shapes: B sequences, L positions, T = B L tokens, D width, E experts, k experts per token.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn

from engine.declare.knobs import knob
from engine.labs.moe.models.layer_info import LayerInfo
from engine.labs.moe.models.router_scores import LinearRouter, top_k
from engine.labs.moe.models.routing import RouteContext, RoutingRecord
from engine.labs.moe.remedies.router import RouterChoice
from engine.labs.moe.remedies.router.softmax_top_k import balance_loss


class GraphOfTokens(RouterChoice):
    """Differs: the share `mix` of the neighbours, the causal mask, the division by √D beside the temperature and the balance loss are
    ours. The graph of attention is cut off from the gradient: neither the balance loss nor the router's weights teach attention where
    to look, and arms with either graph share the rest of the model.

    Why: only the abstract was read. It says that tokens choose together, along their similarity or along the attention matrix; by which
    formula it leaves open.
    """

    idea = (
        "Every token first has its own softmax over the experts. These are averaged along a graph: over itself and the earlier tokens of "
        "its sequence, by a learned similarity or by the block's own attention. "
        "The k largest of the mixture of own and averaged probabilities choose and weigh, so that tokens which belong together choose "
        "alike."
    )
    formula = (
        r"p_j=\mathrm{softmax}(W_ru_j),\quad A_{ij}=\mathrm{softmax}_{j\le i}\big(u_i^\top W_su_j/(\tau\sqrt D)\big)\ \text{or attention},"
        r"\quad r_i=(1-\lambda)\,p_i+\lambda\sum_jA_{ij}p_j,\quad y_i=\sum_{e\in\mathrm{top}_k(r_i)}"
        r"\frac{r_{ie}}{\sum_{e'\in\mathrm{top}_k}r_{ie'}}\,\mathrm{FFN}_e(u_i)"
    )
    paper = "Improving Routing in Sparse Mixture of Experts with Graph of Tokens (Nguyen, Tran, Nguyen, Baraniuk 2025, arXiv 2505.00792)"
    cost = "A graph of L by L per sequence and its product with the probabilities; the graph of similarity adds a D by D matrix."
    fails = (
        "By its formula a text of many alike tokens sends them to the same experts, which works against an even load. "
        "By its formula a wide graph averages the differences between tokens away: with `mix` at `1` and an even graph late tokens of a "
        "sequence all have nearly the same probabilities. Whether routes fluctuate less with it, as the abstract reports, is not tested "
        "here."
    )
    reading = "our reading of the abstract"
    source = "the abstract; the formula is ours, the balance loss that of softmax_top_k.py"

    k: int = knob(2, "experts per token; a single one is weighted by its probability", unit="experts", group="size", ge=1, le=64)
    graph: Literal["similarity", "attention"] = knob(
        "similarity",
        "what ties a token to earlier ones: a learned similarity, or the block's attention, mean over its heads",
        source="both are the abstract's",
        group="remedy",
    )
    mix: float = knob(
        0.5, "share of the neighbours' probabilities; 0 leaves each token to itself", source="our choice", group="remedy", ge=0.0, le=1.0
    )
    temperature: float = knob(
        1.0,
        "the similarities are divided by it; the lower, the fewer neighbours count. The graph of attention has none",
        source="our choice",
        group="remedy",
        ge=1e-3,
        le=100.0,
    )
    balance_weight: float = knob(
        0.01,
        "weight of the balance loss, per layer; 0 turns balancing off",
        source="Switch Transformers: 0.01",
        group="remedy",
        ge=0.0,
        le=10.0,
    )

    def build(self, d: int, experts: int, init_factor: float, info: LayerInfo) -> GraphOfTokensRouter:
        return GraphOfTokensRouter(d, experts, self.k, init_factor, self.graph, self.mix, self.temperature, self.balance_weight)


class GraphOfTokensRouter(LinearRouter):
    """`logits_TE` of its answer are the logarithms of the mixed probabilities, whose softmax these are."""

    def __init__(
        self,
        d: int,
        experts: int,
        k: int,
        init_factor: float,
        graph: str = "similarity",
        mix: float = 0.5,
        temperature: float = 1.0,
        balance_weight: float = 0.01,
    ) -> None:
        super().__init__(d, experts, k, init_factor)
        self.graph, self.mix_share, self.temperature, self.balance_weight = graph, mix, temperature, balance_weight
        if graph == "similarity":
            self.similarity = nn.Parameter(torch.empty(d, d))
            self.init_std["similarity"] = self.init_std["weight"]

    def forward(self, x_TD: Tensor, context: RouteContext) -> RoutingRecord:
        logits_TE = self.logits(x_TD)
        probs_TE, log_TE = logits_TE.softmax(dim=-1), logits_TE.detach().log_softmax(dim=-1)
        if self.mix_share:
            averaged_TE = self.averaged(probs_TE, x_TD, context)
            probs_TE = (1.0 - self.mix_share) * probs_TE + self.mix_share * averaged_TE
            own_TE = log_TE + math.log1p(-self.mix_share) if self.mix_share < 1.0 else torch.full_like(log_TE, -torch.inf)
            log_TE = torch.logaddexp(own_TE, averaged_TE.detach().log() + math.log(self.mix_share))
        ranked_TE = probs_TE.detach()
        experts_Tk = top_k(ranked_TE, self.k)
        weights_Tk = probs_TE.gather(1, experts_Tk)
        if self.k > 1:
            weights_Tk = weights_Tk / weights_Tk.sum(dim=1, keepdim=True)
        losses = {"balance": self.balance_weight * balance_loss(probs_TE, experts_Tk)} if self.balance_weight else {}
        return RoutingRecord(experts_Tk, weights_Tk, probs_TE, log_TE, "softmax", losses, ranked_TE)

    def averaged(self, probs_TE: Tensor, x_TD: Tensor, context: RouteContext) -> Tensor:
        """The probabilities of a token and of the earlier ones of its sequence, averaged along the graph -> (T, E)."""
        with torch.autocast(x_TD.device.type, enabled=False):
            edges_BLL = self.edges(x_TD.to(probs_TE.dtype), context).to(probs_TE.dtype)
            return (edges_BLL @ probs_TE.view(*edges_BLL.shape[:2], -1)).flatten(0, 1)

    def edges(self, x_TD: Tensor, context: RouteContext) -> Tensor:
        """How much each position takes from each earlier one and itself -> (B, L, L), rows sum to 1."""
        if self.graph == "attention":
            if context.attention is None:
                raise ValueError("The graph of attention needs a block with attention, but none was given; give graph=similarity.")
            with torch.no_grad():
                return context.attention().detach()
        u_BLD = x_TD.view(-1, context.length, x_TD.shape[1])
        scores_BLL = u_BLD @ self.similarity.to(u_BLD.dtype) @ u_BLD.transpose(1, 2) / (self.temperature * u_BLD.shape[2] ** 0.5)
        later_LL = scores_BLL.new_ones(scores_BLL.shape[-2:], dtype=torch.bool).triu(1)
        return scores_BLL.masked_fill(later_LL, -torch.inf).softmax(dim=-1)
