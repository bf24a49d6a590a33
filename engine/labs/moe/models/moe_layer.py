"""A dropless Mixture-of-Experts layer: sort the tokens by expert, run each expert on its own rows, put the results back.

No capacity, so no token is dropped and no token's result depends on another token; no atomics, so the same batch gives the same
bits.  On CUDA the kernel `moe_route` chooses, counts and sorts; elsewhere torch does.

Shapes: T tokens, d width, E experts, n hidden units of an expert, k experts per token, A = T k assignments.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from engine.labs.moe.models.experts import experts
from engine.labs.moe.models.router_scores import RouterModule
from engine.labs.moe.models.routing import RoutingRecord
from kernels.moe_route.sort import moe_sort, permute, restore


class MoELayer(nn.Module):
    """y_t = sum over the k chosen experts e of w_te W_out[e] gelu(W_in[e] x_t)."""

    def __init__(self, d: int, experts: int, hidden: int, router: RouterModule) -> None:
        super().__init__()
        self.router = router
        self.weight_in = nn.Parameter(torch.empty(experts, hidden, d))
        self.weight_out = nn.Parameter(torch.empty(experts, d, hidden))
        self.record: RoutingRecord | None = None

    def forward(self, x_TD: Tensor, ids_T: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """-> the layer's output and its auxiliary losses.  In training mode `record` is replaced; in evaluation it is left alone."""
        routing = self.router(x_TD, ids_T)
        counts_E = routing.counts_E
        if counts_E is None:
            counts_E = torch.bincount(routing.experts_Tk.flatten(), minlength=len(self.weight_in))
        if self.training:
            self.router.observe(counts_E)
            self.record = routing.kept(counts_E)
        y_TkD = self._experts(x_TD, routing.experts_Tk, counts_E)
        y_TD = (y_TkD * routing.weights_Tk.unsqueeze(-1).to(y_TkD.dtype)).sum(dim=1)
        return y_TD, routing.losses

    def _experts(self, x_TD: Tensor, experts_Tk: Tensor, counts_E: Tensor) -> Tensor:
        """What every chosen expert makes of its tokens, unweighted, in the order of `experts_Tk` -> (T, k, d)."""
        T, k = experts_Tk.shape
        order = moe_sort(experts_Tk, len(self.weight_in))
        y_AD = experts(permute(x_TD, order, k), self.weight_in, self.weight_out, counts_E)
        return restore(y_AD, order).view(T, k, -1)
