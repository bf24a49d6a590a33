"""Mixture of Routers: several routers vote, and a main router decides for each token how much each vote counts.

Shapes: T tokens, D width, E experts, R routers, k experts per token.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from engine.declare.knobs import knob
from engine.labs.moe.models.layer_info import LayerInfo
from engine.labs.moe.models.router_scores import RouterModule, top_k
from engine.labs.moe.models.routing import RouteContext, RoutingRecord
from engine.labs.moe.remedies.router import RouterChoice
from engine.labs.moe.remedies.router.softmax_top_k import balance_loss


class MixtureOfRouters(RouterChoice):
    """Why: the abstract says that sub-routers choose together and that a learned main router weighs them; its equations were not at hand.

    Differs: the paper adds low-rank experts to a trained model; here the experts are whole networks, trained from the start.
    """

    idea = (
        "R routers each give a probability to every expert. A main router gives each of them a weight for this token, and the token goes "
        "to the experts with the largest weighted mean."
    )
    formula = (
        r"g=\mathrm{softmax}(Mx),\quad p=\sum_{j=1}^{R}g_j\,\mathrm{softmax}(W_jx),\quad "
        r"y=\sum_{e\in\mathrm{top}_k(p)}p_e\,\mathrm{FFN}_e(x),\quad L_{aux}=\alpha E\sum_e f_eP_e"
    )
    paper = "Mixture of Routers (Zhang, Xiong, Qiu, Xia, Dai 2025, arXiv 2503.23362)"
    cost = "R + 1 routers instead of one: one T by R E and one T by R matrix product, and R softmaxes."
    fails = (
        "By its formula a mean of probabilities is no sharper than the sharpest of them, and routers that agree are no better than one: "
        "nothing keeps them apart but their start. Not measured here."
    )
    reading = "our reading of the abstract"
    source = "the abstract; the balance loss is that of softmax_top_k.py"

    k: int = knob(1, "experts per token", unit="experts", source="our choice, as for softmax_top_k", group="size", ge=1, le=64)
    routers: int = knob(
        4, "routers that vote, beside the main one; 1 is softmax_top_k", unit="routers", source="our choice", group="remedy", ge=1, le=8
    )
    balance_weight: float = knob(
        0.01,
        "weight of the balance loss, per layer; 0 turns balancing off",
        source="Switch Transformers: 0.01",
        group="remedy",
        ge=0.0,
        le=10.0,
    )

    def build(self, d: int, experts: int, init_factor: float, info: LayerInfo) -> MixtureOfRoutersModule:
        return MixtureOfRoutersModule(d, experts, self.k, self.routers, init_factor, self.balance_weight)


class MixtureOfRoutersModule(RouterModule):
    """`weight` holds the rows of all W_j, one router after the other; `main` is M.  The logits of the record are log p."""

    def __init__(self, d: int, experts: int, k: int, routers: int, init_factor: float, balance_weight: float) -> None:
        super().__init__(experts, k)
        self.routers, self.balance_weight = routers, balance_weight
        self.weight = nn.Parameter(torch.empty(routers * experts, d))
        self.main = nn.Parameter(torch.empty(routers, d))
        std = init_factor / (3 * d) ** 0.5  # as in a linear router
        self.init_std = {"weight": std, "main": std}

    def forward(self, x_TD: Tensor, context: RouteContext) -> RoutingRecord:
        votes_TRE, main_TR = self.scores(x_TD)
        probs_TE = (main_TR.softmax(dim=-1).unsqueeze(-1) * votes_TRE.softmax(dim=-1)).sum(dim=1)
        with torch.no_grad():  # log p itself would be -inf where p is too small for a number
            log_probs_TE = (main_TR.log_softmax(dim=-1).unsqueeze(-1) + votes_TRE.log_softmax(dim=-1)).logsumexp(dim=1)
        ranked_TE = probs_TE.detach()
        experts_Tk = top_k(ranked_TE, self.k)
        losses = {}
        if self.balance_weight:
            losses["balance"] = self.balance_weight * balance_loss(probs_TE, experts_Tk)
        return RoutingRecord(
            experts_Tk, probs_TE.gather(1, experts_Tk), probs_TE, log_probs_TE, "softmax", losses=losses, ranked_TE=ranked_TE
        )

    def scores(self, x_TD: Tensor) -> tuple[Tensor, Tensor]:
        """-> (what the routers say (T, R, E), what the main one says of them (T, R)), never in less than fp32."""
        with torch.autocast(x_TD.device.type, enabled=False):
            wide = torch.promote_types(x_TD.dtype, torch.float32)
            votes = linear(x_TD.to(wide), self.weight.to(wide)).view(-1, self.routers, self.experts)
            return votes, linear(x_TD.to(wide), self.main.to(wide))
