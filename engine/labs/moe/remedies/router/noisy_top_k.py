"""Noisy top-k: learned noise on the scores shifts tokens between experts, and two losses keep the experts' shares alike.

Shapes: T tokens, D width, E experts, k experts per token.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from engine.declare.knobs import knob
from engine.labs.moe.models.layer_info import LayerInfo
from engine.labs.moe.models.router_scores import LinearRouter, top_k
from engine.labs.moe.models.routing import RouteContext, RoutingRecord
from engine.labs.moe.remedies.router import RouterChoice


class NoisyTopK(RouterChoice):
    """Differs: in the paper both weight matrices start at zero; here that is the noise's alone, and W_g starts as in every other router
    of the lab, so that `router_init` scales it (at `0` the start is the paper's). `tensor2tensor` adds a constant to the size of the noise;
    the paper and this router add none. The hierarchical mixture and the paper's strictly balanced gating of appendix F are not built.
    """

    idea = (
        "In training every score gets Gaussian noise, whose size the router learns for each token and expert; the k largest noisy scores "
        "choose, and a softmax over these k weighs. "
        "One loss evens out the sums of the weights, another the expected number of tokens of each expert, which the noise makes smooth. "
        "Evaluation has no noise."
    )
    formula = (
        r"H=xW_g+\mathcal N(0,1)\,\mathrm{softplus}(xW_n),\quad "
        r"y=\sum_{e\in\mathrm{top}_k(H)}\mathrm{softmax}_k(H)_e\,\mathrm{FFN}_e(x),\quad "
        r"L=w_i\,\mathrm{CV}^2\!\Big(\sum_tG_t\Big)+w_l\,\mathrm{CV}^2\!\Big(\sum_t\Phi\Big(\tfrac{(x_tW_g)_e-\mathrm{kth}_e(H_t)}"
        r"{\mathrm{softplus}(x_tW_n)_e}\Big)\Big)"
    )
    paper = "Outrageously Large Neural Networks: The Sparsely-Gated Mixture-of-Experts Layer (Shazeer et al. 2017, arXiv 1701.06538)"
    cost = "A second T by E matrix product for the size of the noise, a random number and a value of the normal distribution per score."
    fails = (
        "By its formula evaluation routes otherwise than training, for it has no noise. By its formula the weights of the k chosen sum "
        "to 1, so that the task moves scores only against each other and with a single expert would not move them at all. "
        "How large a share of the balance comes from the noise and how large a one from each loss is not measured here."
    )
    reading = "paper"
    source = "eq. 3 to 7 in sections 2 and 4, and appendix A; compared with expert_utils.py of tensorflow/tensor2tensor"

    k: int = knob(2, "experts per token", unit="experts", source="the paper uses 4, and 2 at each level", group="size", ge=2, le=64)
    importance_weight: float = knob(
        0.1,
        "weight of the squared coefficient of variation of the experts' summed weights; 0 leaves it out",
        source="the paper's language models: 0.1",
        group="remedy",
        ge=0.0,
        le=10.0,
    )
    load_weight: float = knob(
        0.1,
        "weight of the squared coefficient of variation of the experts' expected numbers of tokens; 0 leaves it out",
        source="the paper's language models: 0.1",
        group="remedy",
        ge=0.0,
        le=10.0,
    )

    def build(self, d: int, experts: int, init_factor: float, info: LayerInfo) -> NoisyTopKRouter:
        return NoisyTopKRouter(d, experts, self.k, init_factor, self.importance_weight, self.load_weight, info)


class NoisyTopKRouter(LinearRouter):
    """`logits_TE` of its answer are without noise, `ranked_TE` with it."""

    def __init__(
        self, d: int, experts: int, k: int, init_factor: float, importance_weight: float, load_weight: float, info: LayerInfo
    ) -> None:
        super().__init__(d, experts, k, init_factor)
        self.noise_weight = nn.Parameter(torch.empty(experts, d))
        self.init_std["noise_weight"] = 0.0
        self.importance_weight, self.load_weight, self.info = importance_weight, load_weight, info

    def forward(self, x_TD: Tensor, context: RouteContext) -> RoutingRecord:
        logits_TE = noisy_TE = self.logits(x_TD)
        if self.training:
            sizes_TE = self.noise_sizes(x_TD)
            draws_TE = torch.randn(logits_TE.shape, generator=self.info.generator(f"noise/{context.step}"))
            noisy_TE = logits_TE + draws_TE.to(logits_TE) * sizes_TE
        ranked_TE = noisy_TE.detach()
        best_TK = top_k(ranked_TE, min(self.k + 1, self.experts))  # the runner-up is the threshold of those who are in
        experts_Tk = best_TK[:, : self.k]
        weights_Tk = noisy_TE.gather(1, experts_Tk).softmax(dim=-1)
        losses = {}
        if self.training and self.importance_weight:
            gates_TE = torch.zeros_like(noisy_TE).scatter(1, experts_Tk, weights_Tk)
            losses["importance"] = self.importance_weight * variation(gates_TE.sum(dim=0))
        if self.training and self.load_weight and self.k < self.experts:
            losses["load"] = self.load_weight * variation(chances(logits_TE, noisy_TE, sizes_TE, best_TK).sum(dim=0))
        return RoutingRecord(experts_Tk, weights_Tk, logits_TE.softmax(dim=-1), logits_TE, "softmax", losses, ranked_TE)

    def noise_sizes(self, x_TD: Tensor) -> Tensor:
        """Standard deviation of the noise per token and expert, never in less than fp32."""
        with torch.autocast(x_TD.device.type, enabled=False):
            wide = torch.promote_types(x_TD.dtype, torch.float32)
            return nn.functional.softplus(nn.functional.linear(x_TD.to(wide), self.noise_weight.to(wide)))


def chances(logits_TE: Tensor, noisy_TE: Tensor, sizes_TE: Tensor, best_TK: Tensor) -> Tensor:
    """Appendix A, eq. 8 and 9: how likely each expert is among the k chosen, if its own noise alone is drawn again -> (T, E).

    `best_TK`: the k + 1 largest noisy scores of a token.  Who is among the k must beat number k + 1, everybody else number k.
    """
    last_T2 = noisy_TE.gather(1, best_TK[:, -2:])
    inside_TE = torch.zeros_like(noisy_TE, dtype=torch.bool).scatter(1, best_TK[:, :-1], True)
    threshold_TE = torch.where(inside_TE, last_T2[:, 1:], last_T2[:, :1])
    return torch.special.ndtr((logits_TE - threshold_TE) / sizes_TE)


def variation(amount_E: Tensor) -> Tensor:
    """Variance over squared mean.  Not the square of a standard deviation, whose gradient at perfect balance is 0/0."""
    return amount_E.var(correction=0) / amount_E.mean().square()
