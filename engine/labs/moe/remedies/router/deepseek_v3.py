"""The gate of DeepSeek-V3: sigmoid scores, a bias that only chooses, groups of experts, and a tiny balance loss per sequence.

Shapes: B sequences of L positions, T = B L tokens, D width, E experts, N groups of experts, k experts per token.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from engine.declare.knobs import knob
from engine.labs.moe.models.layer_info import LayerInfo
from engine.labs.moe.models.router_scores import LinearRouter, top_k
from engine.labs.moe.models.routing import RouteContext, RoutingRecord
from engine.labs.moe.remedies.router import RouterChoice
from engine.labs.moe.remedies.router.loss_free import move_bias


class DeepSeekV3(RouterChoice):
    """Differs: the paper has `256` experts in `8` groups of which `4` are open, `8` experts per token and a shared expert beside them;
    here there are fewer and no shared one.  After each update the biases are shifted to mean 0, which by the formula chooses nobody
    else.  The paper sets the rate of the bias to 0 for its last tokens; here it stays."""

    idea = (
        "Scores are sigmoids, and a bias per expert, moved by hand after each step, takes part in choosing only. Experts come in groups: "
        "first the groups with the largest sum of their two highest scores are opened, then the highest experts in them are taken. "
        "The weights of the chosen are divided by their sum, and a very small loss evens out each sequence."
    )
    formula = (
        r"s=\sigma(Wx),\quad S=\mathrm{top}_k(s+b\mid\text{open groups}),\quad w_e=\gamma\,\tfrac{s_e}{\sum_{j\in S}s_j},\quad "
        r"b_e\leftarrow b_e+u\,\mathrm{sign}(\bar c-c_e),\quad L=\alpha\sum_e f_eP_e\ \text{per sequence}"
    )
    paper = "DeepSeek-V3 Technical Report (DeepSeek-AI 2024, arXiv 2412.19437), section 2.1.2"
    cost = "E numbers per layer, a top-2 per group; the loss adds two means per sequence and expert."
    fails = (
        "As with the loss-free bias, what is evened out by its formula is an average over steps and not each batch. With one expert per "
        "token the weight is the score itself, for a sum of one would leave no gradient. Its balance at this size is not measured here."
    )
    reading = "public code"
    source = "equations 12 to 20; the gate of modeling_deepseek.py of deepseek-ai/DeepSeek-V3 as we recall it"

    k: int = knob(2, "experts per token", unit="experts", source="the paper: 8 of 256", group="size", ge=1, le=64)
    groups: int = knob(
        8, "groups of experts; where it does not divide the experts there are none", source="the paper: 8", group="size", ge=1, le=64
    )
    open_groups: int = knob(
        4,
        "groups that a token may choose from; too few for k experts are as many as it takes",
        source="the paper: 4",
        group="size",
        ge=1,
        le=64,
    )
    update_rate: float = knob(1e-3, "how far a bias moves per step", source="the paper: 0.001", group="remedy", ge=0.0, le=1.0)
    sequence_weight: float = knob(
        1e-4, "weight of the balance loss of each sequence, per layer", source="the paper: 0.0001", group="remedy", ge=0.0, le=10.0
    )
    scale: float = knob(1.0, "the weights are multiplied by it", source="the paper: 2.5", group="remedy", ge=0.0, le=100.0)

    def build(self, d: int, experts: int, init_factor: float, info: LayerInfo) -> DeepSeekV3Router:
        groups = self.groups if experts % self.groups == 0 and experts // self.groups > 1 else 1
        opened = min(groups, max(self.open_groups, -(-self.k * groups // experts)))
        return DeepSeekV3Router(d, experts, self.k, init_factor, groups, opened, self.update_rate, self.sequence_weight, self.scale)


class DeepSeekV3Router(LinearRouter):
    """`bias_E` is an fp32 buffer: it is saved with the weights and no optimizer touches it."""

    def __init__(
        self,
        d: int,
        experts: int,
        k: int,
        init_factor: float = 1.0,
        groups: int = 1,
        open_groups: int = 1,
        update_rate: float = 1e-3,
        sequence_weight: float = 1e-4,
        scale: float = 1.0,
    ) -> None:
        super().__init__(d, experts, k, init_factor)
        self.groups, self.open_groups = groups, open_groups
        self.update_rate, self.sequence_weight, self.scale = update_rate, sequence_weight, scale
        self.register_buffer("bias_E", torch.zeros(experts))
        self.register_buffer("counts_E", torch.zeros(experts, dtype=torch.int64), persistent=False)

    def forward(self, x_TD: Tensor, context: RouteContext) -> RoutingRecord:
        logits_TE = self.logits(x_TD)
        scores_TE = logits_TE.sigmoid()
        ranked_TE = in_open_groups(scores_TE.detach() + self.bias_E, self.groups, self.open_groups)
        experts_Tk = top_k(ranked_TE, self.k)
        weights_Tk = scores_TE.gather(1, experts_Tk)
        if self.k > 1:
            weights_Tk = weights_Tk / (weights_Tk.sum(dim=1, keepdim=True) + 1e-20)
        routing = RoutingRecord(experts_Tk, self.scale * weights_Tk, scores_TE, logits_TE, "sigmoid", ranked_TE=ranked_TE)
        if not self.sequence_weight:
            return routing
        loss = sequence_loss(scores_TE, self.k, context.length)
        return replace(routing, losses={"sequence_balance": self.sequence_weight * loss})

    def observe(self, counts_E: Tensor) -> None:
        self.counts_E += counts_E

    def after_step(self) -> None:
        move_bias(self.bias_E, self.counts_E, self.update_rate)
        self.counts_E.zero_()


def in_open_groups(ranked_TE: Tensor, groups: int, opened: int) -> Tensor:
    """-inf for experts outside the `opened` groups with the largest sum of their two best scores."""
    if opened >= groups:
        return ranked_TE
    by_group_TNe = ranked_TE.view(len(ranked_TE), groups, -1)
    best_TN = by_group_TNe.topk(2, dim=-1).values.sum(dim=-1)
    open_TN = one_hot(top_k(best_TN, opened), groups).sum(dim=1).bool()
    return by_group_TNe.masked_fill(~open_TN.unsqueeze(-1), -torch.inf).view_as(ranked_TE)


def sequence_loss(scores_TE: Tensor, k: int, length: int) -> Tensor:
    """Equations 17 to 20: the mean over the sequences of sum_e f_e P_e, which is 1 at even load.

    f_e = E/(k L) times how often e is among the k best scores (without the bias) of a sequence, a constant for the gradient; P_e is the
    mean of its scores, of which each token's sum to 1.
    """
    T, E = scores_TE.shape
    shares_BLE = (scores_TE / scores_TE.sum(dim=1, keepdim=True)).view(T // length, length, E)
    chosen_TE = one_hot(top_k(scores_TE.detach(), k), E).sum(dim=1).to(scores_TE.dtype)
    f_BE = chosen_TE.view_as(shares_BLE).mean(dim=1) * (E / k)
    return (f_BE * shares_BLE.mean(dim=1)).sum(dim=1).mean()
