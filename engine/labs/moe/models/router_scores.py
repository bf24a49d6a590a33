"""What all routers of a Mixture-of-Experts layer share: linear scores in fp32, top-k with a fixed tie rule.

Shapes: T tokens, d width, E experts, k experts per token, K iterations.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor, nn

from engine.labs.moe.models.routing import RouteContext, RoutingRecord
from kernels.moe_route.moe_route import moe_route, runner_for


class Experts(Protocol):
    """What a router mixes: `weight_in` (E, n, d), `weight_out` (E, d, n), and what the chosen experts make of their tokens."""

    weight_in: Tensor
    weight_out: Tensor

    def outputs(self, x_TD: Tensor, routing: RoutingRecord) -> Tensor:
        """Unweighted, in the order of `experts_Tk` -> (T, k, d); 0 where an assignment is not kept."""


class RouterModule(nn.Module):
    """Base of every router module.  `forward(x_TD, context) -> RoutingRecord`.

    `rewarded`: it learns from how well each next byte was predicted, through `reward`.
    """

    rewarded = False

    def __init__(self, experts: int, k: int) -> None:
        super().__init__()
        if not 1 <= k <= experts:
            raise ValueError(f"k={k} experts per token were asked for, but the layer has {experts}; give 1 to {experts}.")
        self.experts, self.k = experts, k

    def forward(self, x_TD: Tensor, context: RouteContext) -> RoutingRecord:
        raise TypeError(f"{type(self).__name__} must define forward(x_TD, context)")

    def mix(self, x_TD: Tensor, routing: RoutingRecord, layer: Experts) -> Tensor:
        """What the layer makes of its tokens -> (T, d): the results of the chosen experts, each times its weight."""
        y_TkD = layer.outputs(x_TD, routing)
        return (y_TkD * routing.weights_Tk.unsqueeze(-1).to(y_TkD.dtype)).sum(dim=1)

    def reward(self, reward_T: Tensor) -> dict[str, Tensor]:
        """After a training pass, the log-probability that the model gave to each next byte, detached -> losses by name."""
        return {}

    def observe(self, counts_E: Tensor) -> None:
        """Assignments per expert of one training forward pass."""

    def after_step(self) -> None:
        """Once per optimizer step; never from inside a forward pass, which recomputation and accumulation repeat."""


class LinearRouter(RouterModule):
    """A router with one weight row per expert; its score is the inner product with the token."""

    def __init__(self, d: int, experts: int, k: int, init_factor: float = 1.0) -> None:
        super().__init__(experts, k)
        self.weight = nn.Parameter(torch.empty(experts, d))
        # 1/sqrt(3 d) is the standard deviation of torch's own nn.Linear: logits start at std 0.577 for unit-variance tokens.
        self.init_std = {"weight": init_factor / (3 * d) ** 0.5}

    def logits(self, x_TD: Tensor) -> Tensor:
        """Router logits, never in less than fp32: autocast is off here, since a bf16 score changes which expert wins."""
        with torch.autocast(x_TD.device.type, enabled=False):
            wide = torch.promote_types(x_TD.dtype, torch.float32)
            return nn.functional.linear(x_TD.to(wide), self.weight.to(wide))


def top_k(scores_TE: Tensor, k: int) -> Tensor:
    """The k largest scores per row, largest first; of equal scores the lowest expert id wins (torch.topk promises nothing)."""
    if k == 1:
        return scores_TE.argmax(dim=-1, keepdim=True)  # documented to return the first of equals
    return scores_TE.sort(dim=-1, descending=True, stable=True).indices[:, :k]


def route(logits_TE: Tensor, k: int, gate: str = "softmax", bias_E: Tensor | None = None) -> RoutingRecord:
    """Scores of the gate; the k best of score plus bias; their scores, without the bias, as weights.

    The kernel `moe_route` on CUDA, where one pass gives the load and the statistics as well; plain torch elsewhere."""
    if runner_for(logits_TE, k) is not None:
        out = moe_route(logits_TE, k, bias_E=bias_E, sigmoid=gate == "sigmoid")
        told = {"counts_E": out.counts_E, "logsumexp_T": out.logsumexp_T, "entropy_T": out.entropy_T, "margin_T": out.margin_T}
        return RoutingRecord(out.chosen_Tk, out.weights_Tk, out.scores_TE, logits_TE, gate, **told)
    scores_TE = logits_TE.softmax(dim=-1) if gate == "softmax" else logits_TE.sigmoid()
    ranked_TE = scores_TE.detach() if bias_E is None else scores_TE.detach() + bias_E
    experts_Tk = top_k(ranked_TE, k)
    return RoutingRecord(experts_Tk, scores_TE.gather(1, experts_Tk), scores_TE, logits_TE, gate, ranked_TE=ranked_TE)
