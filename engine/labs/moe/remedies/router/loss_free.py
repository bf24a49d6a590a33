"""Auxiliary-loss-free balancing: a bias per expert, moved by hand after each step, decides who is chosen but not how it counts.

Shapes: T tokens, D width, E experts, k experts per token.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor

from engine.declare.knobs import knob
from engine.labs.moe.models.layer_info import LayerInfo
from engine.labs.moe.models.router_scores import LinearRouter, route, top_k
from engine.labs.moe.models.routing import RouteContext, RoutingRecord
from engine.labs.moe.remedies.router import RouterChoice


class LossFree(RouterChoice):
    """Algorithm 1 was read as pytorch/torchtitan quotes it; the choice and five updates are held to recorded numbers.

    Differs: after each update the biases are shifted to mean 0, as torchtitan does; by its formula a common shift of all chooses nobody.
    DeepSeek-V3's groups of experts and its factor of the weights are not built.
    """

    idea = (
        "After each step every expert that got less than its share has a small constant added to its bias, "
        "and every expert that got more has it taken away. "
        "The bias only takes part in choosing; the result is weighted by the score without it, and no balance loss adds to the gradient."
    )
    formula = r"e\in\mathrm{top}_k(s+b),\quad y=\sum_e s_e\,\mathrm{FFN}_e(x),\quad b_e\leftarrow b_e+u\,\mathrm{sign}(\bar c-c_e)"
    paper = "Auxiliary-Loss-Free Load Balancing Strategy for Mixture-of-Experts (Wang et al. 2024, arXiv 2408.15664)"
    cost = "E numbers per layer; no extra loss and no extra gradient."
    fails = (
        "By its formula it evens out an average over steps, not each batch. With scores from a sigmoid at most "
        "{band bias_sigmoid_0.001 router/dead_experts@blocks.1.moe max} experts of the second layer are dead on the way at the published "
        "rate, `0.001`, and {band bias_sigmoid_0.01 router/dead_experts@blocks.1.moe max} at `0.01`; over the last fifty steps MaxVio "
        "averages {band bias_sigmoid_0.001 router/max_violation@blocks.1.moe late50} and "
        "{band bias_sigmoid_0.01 router/max_violation@blocks.1.moe late50}, with scores from a softmax "
        "{band bias_softmax_0.001 router/max_violation@blocks.1.moe late50} and "
        "{band collapse_cured router/max_violation@blocks.1.moe late50}. "
        "With the sign the wrong way round full experts get fuller, by its formula: a mistake of a summary of the paper."
    )
    reading = "paper"
    source = "Algorithm 1; compared with pytorch/torchtitan and NVIDIA/Megatron-LM, router.py"

    k: int = knob(1, "experts per token", unit="experts", source="the paper uses 6 of 64", group="size", ge=1, le=64)
    gate: Literal["sigmoid", "softmax"] = knob(
        "sigmoid", "what turns logits into scores", source="sigmoid in the paper's main runs, softmax in its appendix C", group="remedy"
    )
    update_rate: float = knob(1e-3, "how far a bias moves per step", source="the paper: 0.001", group="remedy", ge=0.0, le=1.0)
    update: Literal["sign", "proportional", "multiplicative"] = knob(
        "sign",
        "sign: one rate for every expert; proportional: times how many tokens it is off; multiplicative: the bias multiplies the score",
        source="sign in the paper's main runs, the others in its tables 3 and 4",
        group="remedy",
    )
    recentre: bool = knob(
        True, "after each update the biases are shifted to mean 0", source="on in torchtitan, off in the paper", group="remedy"
    )
    flipped: bool = knob(
        False, "the sign the wrong way round, as a mistake to look at", source="a summary of the paper that circulates", group="stressor"
    )
    renormalise: bool = knob(
        False,
        "the weights of the chosen experts are divided by their sum, where a token has more than one",
        source="off in the paper, on in DeepSeek-V3",
        group="remedy",
    )

    def build(self, d: int, experts: int, init_factor: float, info: LayerInfo) -> LossFreeRouter:
        rate = -self.update_rate if self.flipped else self.update_rate
        router = LossFreeRouter(d, experts, self.k, init_factor, self.gate, rate, self.renormalise)
        router.update, router.recentre = self.update, self.recentre and self.update != "multiplicative"
        if self.update == "multiplicative":
            router.bias_E.fill_(1.0)
        return router


class LossFreeRouter(LinearRouter):
    """`bias_E` is an fp32 buffer, so it is saved with the weights and no optimizer touches it."""

    def __init__(self, d: int, experts: int, k: int, init_factor: float, gate: str, update_rate: float, renormalise: bool = False) -> None:
        super().__init__(d, experts, k, init_factor)
        self.gate, self.update_rate, self.renormalise = gate, update_rate, renormalise and k > 1
        self.update, self.recentre = "sign", True
        self.register_buffer("bias_E", torch.zeros(experts))
        self.register_buffer("counts_E", torch.zeros(experts, dtype=torch.int64), persistent=False)

    def forward(self, x_TD: Tensor, context: RouteContext) -> RoutingRecord:
        logits_TE = self.logits(x_TD)
        times = self.update == "multiplicative"
        record = scaled(logits_TE, self.k, self.gate, self.bias_E) if times else route(logits_TE, self.k, self.gate, self.bias_E)
        if not self.renormalise:
            return record
        return replace(record, weights_Tk=record.weights_Tk / record.weights_Tk.sum(dim=1, keepdim=True))

    def observe(self, counts_E: Tensor) -> None:
        self.counts_E += counts_E

    def after_step(self) -> None:
        move_bias(self.bias_E, self.counts_E, self.update_rate, self.update == "proportional", self.recentre)
        self.counts_E.zero_()


def scaled(logits_TE: Tensor, k: int, gate: str, factor_E: Tensor) -> RoutingRecord:
    """As `route`, with a factor per expert in the place of the bias."""
    scores_TE = logits_TE.softmax(dim=-1) if gate == "softmax" else logits_TE.sigmoid()
    ranked_TE = scores_TE.detach() * factor_E
    experts_Tk = top_k(ranked_TE, k)
    return RoutingRecord(experts_Tk, scores_TE.gather(1, experts_Tk), scores_TE, logits_TE, gate, ranked_TE=ranked_TE)


@torch.no_grad()
def move_bias(bias_E: Tensor, counts_E: Tensor, update_rate: float, proportional: bool = False, recentre: bool = True) -> None:
    """Algorithm 1 of the paper, in place: b_e += u sign(mean count - c_e), then the mean is taken off.

    `proportional`: without the sign, so that u is per token.  The counts are those of the step that just ended, never of the batch being
    routed: choosing by the counts of the same batch would let a token's route depend on tokens after it.
    """
    counts = counts_E.to(bias_E.dtype)
    off_E = counts.mean() - counts
    bias_E += update_rate * (off_E if proportional else torch.sign(off_E))
    if recentre:
        bias_E -= bias_E.mean()
