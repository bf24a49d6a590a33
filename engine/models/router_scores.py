"""What all routers of a Mixture-of-Experts layer share: linear scores in fp32, top-k with a fixed tie rule, one result type.

Shapes: T tokens, d width, E experts, k experts per token.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn


class Routing(NamedTuple):
    """A router's answer for T tokens; gradients reach the router through `weights_Tk` and through `losses`."""

    experts_Tk: Tensor
    weights_Tk: Tensor
    probs_TE: Tensor
    logits_TE: Tensor | None
    losses: dict[str, Tensor]
    gate: str
    column_errors_K: Tensor | None = None  # of a router that balances a batch in K iterations: see RoutingRecord


class Router(nn.Module):
    """Base of every router module.  `forward(x_TD, ids_T) -> Routing`; ids are the bytes of the text at the T positions."""

    def __init__(self, experts: int, k: int) -> None:
        super().__init__()
        if not 1 <= k <= experts:
            raise ValueError(f"k={k} experts per token were asked for, but the layer has {experts}; give 1 to {experts}.")
        self.experts, self.k = experts, k

    def forward(self, x_TD: Tensor, ids_T: Tensor) -> Routing:
        raise TypeError(f"{type(self).__name__} must define forward(x_TD, ids_T)")

    def observe(self, counts_E: Tensor) -> None:
        """Assignments per expert of one training forward pass."""

    def after_step(self) -> None:
        """Once per optimizer step; never from inside a forward pass, which recomputation and accumulation repeat."""


class LinearRouter(Router):
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
