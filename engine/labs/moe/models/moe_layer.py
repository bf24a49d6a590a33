"""A Mixture-of-Experts layer: sort the tokens by expert, run each expert on its own rows, put the results back.

Without a capacity no token is dropped, and no token's result depends on another token unless its router makes it; no atomics, so the
same batch gives the same bits.  On CUDA the kernel `moe_route` chooses, counts and sorts; elsewhere torch does.

Shapes: T tokens, d width, E experts, n hidden units of an expert, k experts per token, A = T k assignments.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from engine.labs.moe.models.capacity import Capacity
from engine.labs.moe.models.experts import experts
from engine.labs.moe.models.router_scores import RouterModule
from engine.labs.moe.models.routing import RouteContext, RoutingRecord
from kernels.moe_route.sort import moe_sort, permute, restore


class MoELayer(nn.Module):
    """y_t = sum over the k chosen experts e of w_te W_out[e] gelu(W_in[e] x_t).  A token whose experts are all full gets y_t = 0."""

    def __init__(self, d: int, experts: int, hidden: int, router: RouterModule, capacity: Capacity | None = None) -> None:
        super().__init__()
        self.router = router
        self.capacity = capacity
        self.weight_in = nn.Parameter(torch.empty(experts, hidden, d))
        self.weight_out = nn.Parameter(torch.empty(experts, d, hidden))
        self.record: RoutingRecord | None = None

    def forward(self, x_TD: Tensor, context: RouteContext) -> tuple[Tensor, dict[str, Tensor]]:
        """-> the layer's output and its auxiliary losses.  In training mode `record` is replaced; in evaluation it is left alone."""
        routing = self.router(x_TD, context)
        counts_E = routing.counts_E
        if counts_E is None:
            counts_E = self.chosen(routing.experts_Tk)
            routing = replace(routing, counts_E=counts_E)
        if self.capacity is not None and routing.soft_TE is None:  # where experts are mixed, nobody waits for a place
            routing = self.capacity(routing, context)
        if self.training:
            self.router.observe(counts_E)
            self.record = routing.kept(counts_E, context.length)
        return self.router.mix(x_TD, routing, self), routing.losses

    def chosen(self, experts_Tk: Tensor) -> Tensor:
        """How many columns name each expert -> (E,) int64; unused columns (-1) count for nobody."""
        return torch.bincount(experts_Tk.flatten() + 1, minlength=len(self.weight_in) + 1)[1:]

    def outputs(self, x_TD: Tensor, routing: RoutingRecord) -> Tensor:
        """What every chosen expert makes of its tokens, unweighted, in the order of `experts_Tk` -> (T, k, d); 0 where it is not kept."""
        T, k = routing.experts_Tk.shape
        if routing.kept_Tk is None:
            order = moe_sort(routing.experts_Tk, len(self.weight_in))
            y_AD = experts(permute(x_TD, order, k), self.weight_in, self.weight_out, routing.counts_E)
            return restore(y_AD, order).view(T, k, -1)
        kept_A = routing.kept_Tk.flatten().nonzero().squeeze(1)  # where the kept assignments stand among all
        experts_A1 = routing.experts_Tk.flatten()[kept_A].unsqueeze(1)
        order = moe_sort(experts_A1, len(self.weight_in))
        rows_AD = permute(x_TD[kept_A // k], order, 1)
        y_AD = restore(experts(rows_AD, self.weight_in, self.weight_out, self.chosen(experts_A1)), order)
        return y_AD.new_zeros(T * k, y_AD.shape[1]).index_copy(0, kept_A, y_AD).view(T, k, -1)
