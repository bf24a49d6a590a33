"""Sinkhorn balancing: in training a token's expert comes from a plan that gives every expert of the batch an equal share.

Shapes: T tokens, D width, E experts, k experts per token, K iterations.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from engine.declare.knobs import knob
from engine.labs.moe.models.layer_info import LayerInfo
from engine.labs.moe.models.router_scores import LinearRouter, route, top_k
from engine.labs.moe.models.routing import RouteContext, RoutingRecord
from engine.labs.moe.remedies.router import RouterChoice


class Sinkhorn(RouterChoice):
    """Read in Megatron-LM's router, for the paper's authors published no code.

    Differs: there the scores are not divided by a temperature, and the rounds go on until the plan stands still.
    """

    idea = (
        "In training each batch is shared out: a number g per expert is added to the scores so that every expert's share of the "
        "(soft) assignments is the same, and each token goes where its score plus g is largest. The result is weighted by the plain "
        "gate without g, and no gradient passes through the choice. In evaluation g is left out: each token goes greedily to its "
        "largest score, for a single text has no batch to share out."
    )
    formula = (
        r"P_{te}=e^{s_{te}/\tau+f_t+g_e},\ \sum_eP_{te}=1,\ \sum_tP_{te}=\tfrac TE;\quad "
        r"e(t)=\mathrm{top}_k(s_t/\tau+g)\ \text{in training},\ \mathrm{top}_k(s_t)\ \text{in evaluation};\quad "
        r"y=\sum_e\mathrm{gate}(s_t)_e\,\mathrm{FFN}_e(x_t)"
    )
    paper = "S-BASE in Unified Scaling Laws for Routed Language Models (Clark et al. 2022, arXiv 2202.01169)"
    cost = "Two log-sum-exps of the T by E scores per iteration, in fp32; no extra loss, no extra gradient, no parameter."
    fails = (
        "Evaluation is not balanced: by its formula greedy routing is as uneven as the scores are. In training a "
        "token's expert follows from all others of the batch, later ones included. An even plan splits a token among experts, so the "
        "largest entries of its rows need not be even; what a lower temperature, whose plan is nearer to whole tokens, does to both stands "
        "in the preset sharper_plan."
    )
    leaks = ("training",)
    reading = "public code"
    source = "megatron/core/transformer/moe/router.py and moe_utils.py of NVIDIA/Megatron-LM"

    k: int = knob(1, "experts per token", unit="experts", source="the paper uses 1", group="size", ge=1, le=64)
    iterations: int = knob(
        20,
        "rounds of evening out rows and columns",
        unit="iterations",
        source="our choice; Megatron-LM goes on until the plan stands still",
        group="remedy",
        ge=1,
        le=200,
    )

    temperature: float = knob(
        0.1,
        "the scores are divided by it before they are balanced; the lower, the nearer the plan comes to whole tokens",
        source="our choice; others stand in the preset sharper_plan",
        group="remedy",
        ge=1e-3,
        le=100.0,
    )

    gate: Literal["auto", "sigmoid", "softmax"] = knob(
        "auto",
        "what turns the scores of the chosen into weights; auto is the sigmoid for one expert per token and the softmax for more",
        source="auto is Megatron-LM's",
        group="remedy",
    )

    def build(self, d: int, experts: int, init_factor: float, info: LayerInfo) -> SinkhornRouter:
        gate = self.gate if self.gate != "auto" else "sigmoid" if self.k == 1 else "softmax"
        return SinkhornRouter(d, experts, self.k, init_factor, self.iterations, self.temperature, gate)


class SinkhornRouter(LinearRouter):
    """The largest entry of a row of P is the largest s + g: f moves a whole row, so only g takes part in choosing."""

    def __init__(
        self, d: int, experts: int, k: int, init_factor: float, iterations: int, temperature: float, gate: str = "softmax"
    ) -> None:
        super().__init__(d, experts, k, init_factor)
        self.iterations, self.temperature, self.gate = iterations, temperature, gate

    def forward(self, x_TD: Tensor, context: RouteContext) -> RoutingRecord:
        logits_TE = self.logits(x_TD)
        if not self.training:
            return route(logits_TE, self.k, self.gate)
        probs_TE = logits_TE.softmax(dim=-1) if self.gate == "softmax" else logits_TE.sigmoid()
        experts_Tk, errors_K = self.shared_out(logits_TE.detach())
        return RoutingRecord(experts_Tk, probs_TE.gather(1, experts_Tk), probs_TE, logits_TE, self.gate, column_errors_K=errors_K)

    @torch.no_grad()
    def shared_out(self, logits_TE: Tensor) -> tuple[Tensor, Tensor]:
        """-> (experts_Tk of the plan, errors_K: largest relative error of an expert's soft share before each iteration moved g)."""
        from kernels.sinkhorn.sinkhorn import sinkhorn  # the kernel on CUDA, plain torch elsewhere; either tells the provenance which

        sharpened_TE = logits_TE / self.temperature
        balanced = sinkhorn(sharpened_TE, self.iterations)
        return top_k(sharpened_TE + balanced.g_KE[-1], self.k), balanced.errors_K
