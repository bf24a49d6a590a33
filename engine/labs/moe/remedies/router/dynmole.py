"""DynMoLE: as many experts as a token's probabilities need, and all of them where the router is unsure.

Shapes: T tokens, D width, E experts, n hidden units of an expert, K columns: the most experts that a token of this batch uses.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import gelu, linear

from engine.declare.knobs import knob
from engine.labs.moe.models.layer_info import LayerInfo
from engine.labs.moe.models.router_scores import Experts, LinearRouter
from engine.labs.moe.models.routing import RouteContext, RoutingRecord
from engine.labs.moe.remedies.router import RouterChoice

EPS = 1e-5  # added to every probability before the entropy, as in the authors' code


class DynMoLE(RouterChoice):
    """Differs: its experts are whole networks and not low-rank additions to a trained model. After `1e-5` is added to the probabilities
    they are divided by their sum, so that the entropy lies between 0 and 1 and that of q near 1 nears Shannon's. The Renyi entropy is not
    built. The losses of the layers are added, where the authors take means over the tokens of all layers.
    """

    idea = (
        "The experts of a token are taken from the most to the least probable for as long as their probabilities sum to at most top_p, "
        "and at least keep_top_k; where the entropy of the probabilities is above a threshold the token goes to all experts. "
        "Two losses make the router surer and its load more even."
    )
    formula = (
        r"p=\mathrm{softmax}(Wx),\ H_q=\frac{1-\sum_e p_e^q}{1-E^{1-q}};\quad m_e=[\,H_q>\tau\,]\vee[\,r_e\le k_0\,]\vee"
        r"\bigl[\,\textstyle\sum_{r_j\le r_e}p_j\le p_0\bigr],\ r\ \text{the rank of}\ p;\quad "
        r"y=\sum_e m_ep_e\,\mathrm{FFN}_e(x);\quad L=\beta_H\overline{H_q}+\beta_bE\sum_e\overline{(mp)}_e\,\bar p_e"
    )
    paper = (
        "DynMoLE: Boosting Mixture of LoRA Experts Fine-Tuning with a Hybrid Routing Mechanism (Li et al. 2025, arXiv 2504.00661), "
        "made for fine-tuning; here the model is trained from the start"
    )
    cost = (
        "A sort of the T by E probabilities and their entropy. Every expert works for every token, as in the authors' code: which ones a "
        "token uses decides the result and not the work."
    )
    fails = (
        "By its formula the weights of a token sum to less than 1 where not all experts are taken, and the expert that would cross top_p "
        "is left out, so that a sure token keeps keep_top_k of them. A router that starts near the uniform distribution starts with all "
        "experts. How it trains is not measured here."
    )
    reading = "authors' code"
    source = "moe_peft/adapters/dynmole/model.py, config.py and moe_peft/common/moe_utils.py of mikecovlee/DynMoLE"

    top_p: float = knob(
        0.75,
        "experts are taken while they sum to at most this",
        source="the authors' code: 0.75",
        group="remedy",
        ge=0.0,
        le=1.0,
    )
    keep_top_k: int = knob(
        2, "experts that a token has in any case", unit="experts", source="the authors' code: 2", group="size", ge=1, le=64
    )
    threshold: float = knob(
        0.9,
        "a token whose entropy, 1 for the uniform distribution, is above this goes to all experts; at 1 none does",
        source="the authors' code: 0.9",
        group="remedy",
        ge=0.0,
        le=1.0,
    )
    q: float = knob(1.1, "index of the entropy; 1 is Shannon's", source="the authors' code: 1.1", group="remedy", ge=0.01, le=2.0)
    entropy_weight: float = knob(
        1e-2, "weight of the mean entropy as a loss, per layer", source="the authors' code: 0.01", group="remedy", ge=0.0, le=10.0
    )
    balance_weight: float = knob(
        1e-3, "weight of the balance loss, per layer", source="the authors' code: 0.001", group="remedy", ge=0.0, le=10.0
    )

    def build(self, d: int, experts: int, init_factor: float, info: LayerInfo) -> DynMoLERouter:
        numbers = (self.top_p, self.keep_top_k, self.threshold, self.q, self.entropy_weight, self.balance_weight)
        return DynMoLERouter(d, experts, init_factor, *numbers)


class DynMoLERouter(LinearRouter):
    """`k` is `keep_top_k`, the fewest experts that a token has."""

    def __init__(
        self,
        d: int,
        experts: int,
        init_factor: float,
        top_p: float,
        keep_top_k: int,
        threshold: float,
        q: float,
        entropy_weight: float,
        balance_weight: float,
    ) -> None:
        super().__init__(d, experts, keep_top_k, init_factor)
        self.top_p, self.threshold, self.q = top_p, threshold, q
        self.entropy_weight, self.balance_weight = entropy_weight, balance_weight

    def forward(self, x_TD: Tensor, context: RouteContext) -> RoutingRecord:
        logits_TE = self.logits(x_TD)
        probs_TE = logits_TE.softmax(dim=-1)
        entropy_T = tsallis_entropy(probs_TE, self.q)
        experts_TK, used_TK = self.chosen(probs_TE.detach(), entropy_T.detach())
        weights_TK = probs_TE.gather(1, experts_TK) * used_TK
        losses = {}
        if self.entropy_weight:
            losses["entropy"] = self.entropy_weight * entropy_T.mean()
        if self.balance_weight:
            masked_TE = torch.zeros_like(probs_TE).scatter(1, experts_TK, weights_TK)
            losses["balance"] = self.balance_weight * self.experts * (masked_TE.mean(dim=0) * probs_TE.mean(dim=0)).sum()
        return RoutingRecord(
            experts_TK.masked_fill(~used_TK, -1),
            weights_TK,
            probs_TE,
            logits_TE,
            "softmax",
            losses=losses,
            ranked_TE=probs_TE.detach(),
            kept_Tk=used_TK,
        )

    def mix(self, x_TD: Tensor, routing: RoutingRecord, layer: Experts) -> Tensor:
        """All experts at once, with weight 0 where a token does not use one: with many experts per token faster than sorting rows."""
        kept_TK = torch.ones_like(routing.weights_Tk) if routing.kept_Tk is None else routing.kept_Tk
        unweighted_TE = x_TD.new_zeros(len(x_TD), self.experts)
        weights_TE = unweighted_TE.scatter_add(1, routing.experts_Tk.clamp(min=0), (routing.weights_Tk * kept_TK).to(x_TD.dtype))
        hidden_TEn = gelu(linear(x_TD, layer.weight_in.flatten(0, 1))).view(len(x_TD), self.experts, -1)
        weighted_TEn = hidden_TEn * weights_TE.unsqueeze(-1)
        return weighted_TEn.flatten(1) @ layer.weight_out.transpose(1, 2).flatten(0, 1)

    def chosen(self, probs_TE: Tensor, entropy_T: Tensor) -> tuple[Tensor, Tensor]:
        """-> (the experts of each token, most probable first; which of these columns it uses), both (T, K)."""
        ordered_TE, experts_TE = probs_TE.sort(dim=-1, descending=True, stable=True)
        count_T = (ordered_TE.cumsum(dim=-1) <= self.top_p).sum(dim=-1).clamp(min=self.k)
        if self.threshold < 1.0:
            count_T = count_T.masked_fill(entropy_T > self.threshold, self.experts)
        columns_K = torch.arange(int(count_T.max()), device=count_T.device)
        return experts_TE[:, : len(columns_K)], columns_K < count_T.unsqueeze(1)


def tsallis_entropy(probs_TE: Tensor, q: float) -> Tensor:
    """(1 - sum p^q) / (1 - E^(1-q)) of each row, 0 for one expert and 1 for all alike; q = 1: Shannon's over ln E."""
    E = probs_TE.shape[1]
    raised_TE = (probs_TE + EPS) / (probs_TE + EPS).sum(dim=-1, keepdim=True)
    if q == 1.0:
        return torch.special.entr(raised_TE).sum(dim=-1) / math.log(E)
    # 1 - sum p^q = -sum p (p^(q-1) - 1): without the difference of nearly equal numbers that q near 1 would be
    return (raised_TE * torch.expm1((q - 1.0) * raised_TE.log())).sum(dim=-1) / math.expm1((1.0 - q) * math.log(E))
