"""Grouped average pooling as a gate: an expert's score is the mean of its own slice of the token, and the router learns nothing.

Shapes: T tokens, D width, E experts, k experts per token, G groups of experts.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from engine.declare.knobs import knob
from engine.labs.moe.models.layer_info import LayerInfo
from engine.labs.moe.models.router_scores import RouterModule, route
from engine.labs.moe.models.routing import RouteContext, RoutingRecord
from engine.labs.moe.models.virtual_groups import group_of_experts, home_of_tokens
from engine.labs.moe.remedies.router import RouterChoice
from engine.labs.moe.remedies.router.softmax_top_k import balance_loss


class LocMoE(RouterChoice):
    """Differs: groups of experts stand for devices, and sequence b of the batch is local to group b mod G. The paper states no weight
    for the locality loss, so it is off until a knob turns it on. What it measures are counts, which have no gradient; here the mean
    probabilities lend them theirs, and both distributions are smoothed. Where E is no divisor of D, slices differ by one entry. The
    capacity that the paper derives and its communication are not built.
    """

    idea = (
        "The token is cut into as many slices as there are experts, and the mean of a slice is the score of its expert. These are fixed "
        "orthogonal directions, so the router has no parameter: what is before it learns to write the right slice. "
        "A balance loss spreads the tokens, and a locality loss can draw each sequence to the experts of its own group."
    )
    formula = (
        r"s_{te}=\max\big(0,\tfrac ED\textstyle\sum_{j\in\text{slice }e}x_{tj}\big),\quad p=\mathrm{softmax}(s),\quad "
        r"y_t=p_{ta}\,\mathrm{FFN}_a(x_t),\ a=\arg\max_ep_{te},\quad "
        r"L_{aux}=\alpha E\sum_ef_eP_e+\mu\,\mathrm{KL}(D_c\,\Vert\,D_l)"
    )
    paper = "LocMoE: A Low-Overhead MoE for Large Language Model Training (Li et al. 2024, arXiv 2401.13920)"
    cost = "A mean per expert, no parameter; the balance loss adds one column mean, the locality loss the load between the groups."
    fails = (
        "By its formula all negative scores are zero and tie, and neighbouring entries of the width are bound to one expert for ever. "
        "In this lab a sequence is a window of the text drawn at random, so no byte can know to which group it is local: by its formula "
        "the locality loss has nothing here that a token could follow. No message travels on one machine; time is not measured here."
    )
    reading = "paper"
    source = "section 3 of the paper: gate, auxiliary loss and locality loss; smoothing and gradient of the latter are ours"

    k: int = knob(1, "experts per token", unit="experts", source="the paper uses 1", group="size", ge=1, le=64)
    balance_weight: float = knob(
        0.01,
        "weight of the balance loss, per layer; 0 turns balancing off",
        source="section 3 of the paper: 0.01",
        group="remedy",
        ge=0.0,
        le=10.0,
    )
    locality_weight: float = knob(
        0.0,
        "weight of the locality loss, per layer; 0 turns it off",
        source="the paper states none",
        group="remedy",
        ge=0.0,
        le=10.0,
    )
    groups: int = knob(
        4, "groups of experts that stand for devices", unit="groups", source="our choice; the paper has devices", group="size", ge=1, le=64
    )

    def build(self, d: int, experts: int, init_factor: float, info: LayerInfo) -> LocMoERouter:
        return LocMoERouter(d, experts, self.k, self.balance_weight, self.locality_weight, self.groups)


class LocMoERouter(RouterModule):
    """`init_factor` has nothing to scale.  The directions follow from the sizes, so they are not saved."""

    def __init__(self, d: int, experts: int, k: int, balance_weight: float, locality_weight: float, groups: int) -> None:
        super().__init__(experts, k)
        if d < experts:
            raise ValueError(f"A width of {d} cannot be cut into a slice for each of {experts} experts; give {experts} or more.")
        self.balance_weight, self.locality_weight, self.groups = balance_weight, locality_weight, groups
        slice_D = torch.arange(d) * experts // d
        mean_ED = torch.nn.functional.one_hot(slice_D, experts).T.float()
        self.register_buffer("mean_ED", mean_ED / mean_ED.sum(dim=1, keepdim=True), persistent=False)
        self.register_buffer("group_E", group_of_experts(experts, groups if locality_weight else 1), persistent=False)

    def logits(self, x_TD: Tensor) -> Tensor:
        """Means of the slices, those below 0 as 0, in fp32 or more."""
        with torch.autocast(x_TD.device.type, enabled=False):
            wide = torch.promote_types(x_TD.dtype, torch.float32)
            return torch.nn.functional.linear(x_TD.to(wide), self.mean_ED.to(wide)).relu()

    def forward(self, x_TD: Tensor, context: RouteContext) -> RoutingRecord:
        routing, losses = route(self.logits(x_TD), self.k), {}
        if self.balance_weight:
            losses["balance"] = self.balance_weight * balance_loss(routing.probs_TE, routing.experts_Tk, routing.counts_E)
        if self.locality_weight:
            home_T = home_of_tokens(len(x_TD), context.length, self.groups).to(x_TD.device)
            losses["locality"] = self.locality_weight * locality_loss(routing.probs_TE, routing.experts_Tk, home_T, self.group_E)
        return replace(routing, losses=losses)


def locality_loss(probs_TE: Tensor, experts_Tk: Tensor, home_T: Tensor, group_E: Tensor, eps: float = 0.01) -> Tensor:
    """KL(D_c || D_l) over pairs (home of the token, group of its expert): of the assignments, and were they all at home.

    In either a token keeps 1 - eps of itself and spreads eps evenly over the groups, so that the divergence is finite.  The value is
    that of the counts, the gradient that of the mean probabilities in their stead.
    """
    groups = int(group_E[-1]) + 1
    at_EG = torch.nn.functional.one_hot(group_E, groups).to(probs_TE.dtype)
    home_TG = torch.nn.functional.one_hot(home_T, groups).to(probs_TE.dtype) / len(home_T)
    counted_GG = home_TG.T @ at_EG[experts_Tk].mean(dim=1)
    expected_GG = home_TG.T @ (probs_TE @ at_EG)
    share_GG = counted_GG + expected_GG - expected_GG.detach()
    homes_G = home_TG.sum(dim=0)
    spread_G1 = eps * homes_G.unsqueeze(1) / groups
    chosen_GG, local_GG = (1 - eps) * share_GG + spread_G1, (1 - eps) * homes_G.diag() + spread_G1
    present_G = homes_G > 0  # a batch may have fewer sequences than groups
    chosen_GG, local_GG = chosen_GG[present_G], local_GG[present_G]
    return (chosen_GG * (chosen_GG / local_GG).log()).sum()
