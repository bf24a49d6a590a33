"""Softmax gate, k largest probabilities, and the balance loss of Switch and GShard (weight 0: no balancing at all).

Shapes: T tokens, D width, E experts, k experts per token.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from engine.declare.knobs import knob
from engine.labs.moe.models.layer_info import LayerInfo
from engine.labs.moe.models.router_scores import LinearRouter, route
from engine.labs.moe.models.routing import RouteContext, RoutingRecord
from engine.labs.moe.remedies.router import RouterChoice


class SoftmaxTopK(RouterChoice):
    """Differs: GShard renormalises its two weights to sum 1; here they stay probabilities, so k = E is the dense mixture. The balance loss
    is 1 at even load for every k, where transformers' Mixtral has k. Switch's capacity and
    jitter and GShard's random second expert are not built: no token is dropped.
    """

    idea = (
        "Each token goes to the k experts with the largest softmax probability and its result is weighted by that probability. "
        "By its formula the gradient of the balance loss moves probability from experts with a larger share of the tokens to those with a "
        "smaller one."
    )
    formula = r"p=\mathrm{softmax}(Wx),\quad y=\sum_{e\in\mathrm{top}_k(p)}p_e\,\mathrm{FFN}_e(x),\quad L_{aux}=\alpha E\sum_e f_e P_e"
    paper = "Switch Transformers (Fedus, Zoph, Shazeer 2021, arXiv 2101.03961); GShard (Lepikhin et al. 2020, arXiv 2006.16668)"
    cost = "One T by E matrix product and a softmax per layer; the balance loss adds one column mean."
    fails = (
        "With weight 0 nothing in its formula keeps the experts busy, and at the end "
        "{band collapse router/dead_experts@blocks.1.moe} of the second layer are dead. At the published weight, `0.01`, at most "
        "{band light_balance router/dead_experts@blocks.1.moe max} are dead on the way and over the last fifty steps MaxVio averages "
        "{band light_balance router/max_violation@blocks.1.moe late50}, at `0.1` these are "
        "{band healthy router/dead_experts@blocks.1.moe max} and {band healthy router/max_violation@blocks.1.moe late50}. "
        "Whether a still larger weight hurts the task is not tested here."
    )
    reading = "paper"
    source = "Switch, eq. 4 to 6; compared with moe_utils.py of NVIDIA/Megatron-LM"

    k: int = knob(1, "experts per token", unit="experts", source="Switch uses 1, GShard 2", group="size", ge=1, le=64)
    balance_weight: float = knob(
        0.01,
        "weight of the balance loss, per layer; 0 turns balancing off",
        source="Switch Transformers: 0.01",
        group="remedy",
        ge=0.0,
        le=10.0,
    )
    z_weight: float = knob(
        0.0, "weight of the router z-loss, the mean squared logsumexp of the logits", source="ST-MoE: 0.001", group="remedy", ge=0.0, le=1.0
    )

    def build(self, d: int, experts: int, init_factor: float, info: LayerInfo) -> SoftmaxTopKRouter:
        return SoftmaxTopKRouter(d, experts, self.k, init_factor, self.balance_weight, self.z_weight)


class SoftmaxTopKRouter(LinearRouter):
    def __init__(self, d: int, experts: int, k: int, init_factor: float, balance_weight: float, z_weight: float) -> None:
        super().__init__(d, experts, k, init_factor)
        self.balance_weight, self.z_weight = balance_weight, z_weight

    def forward(self, x_TD: Tensor, context: RouteContext) -> RoutingRecord:
        logits_TE = self.logits(x_TD)
        routing, losses = route(logits_TE, self.k), {}
        if self.balance_weight:
            losses["balance"] = self.balance_weight * balance_loss(routing.probs_TE, routing.experts_Tk, routing.counts_E)
        if self.z_weight:
            logsumexp_T = logits_TE.logsumexp(dim=-1) if routing.logsumexp_T is None else routing.logsumexp_T
            losses["router_z"] = self.z_weight * logsumexp_T.square().mean()
        return replace(routing, losses=losses)


def balance_loss(probs_TE: Tensor, experts_Tk: Tensor, counts_E: Tensor | None = None) -> Tensor:
    """Switch Transformers eq. 4-6 without alpha: E sum_e f_e P_e, which is 1 at uniform load and E when one expert takes all.

    f_e is the fraction of the T k assignments that went to e (a constant for the gradient), P_e the mean probability of e.
    `counts_E`: the assignments of each expert, where somebody has counted them.
    """
    E = probs_TE.shape[1]
    f_E = (torch.bincount(experts_Tk.flatten(), minlength=E) if counts_E is None else counts_E) / experts_Tk.numel()
    return E * (f_E * probs_TE.mean(dim=0)).sum()
