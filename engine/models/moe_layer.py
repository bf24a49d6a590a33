"""A dropless Mixture-of-Experts layer: sort the tokens by expert, run each expert on its own rows, put the results back.

The reference that a kernel is compared with.  No capacity, so no token is dropped and no token's
result depends on another token; no atomics, so the same batch gives the same bits.  The loop needs
the counts on the host: on a GPU that is one synchronisation per layer and pass.

Shapes: T tokens, d width, E experts, n hidden units of an expert, k experts per token, A = T k assignments.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, linear

from engine.models.router_scores import Router
from engine.models.routing import RoutingRecord


class MoELayer(nn.Module):
    """y_t = sum over the k chosen experts e of w_te W_out[e] gelu(W_in[e] x_t)."""

    def __init__(self, d: int, experts: int, hidden: int, router: Router) -> None:
        super().__init__()
        self.router = router
        self.weight_in = nn.Parameter(torch.empty(experts, hidden, d))
        self.weight_out = nn.Parameter(torch.empty(experts, d, hidden))
        self.record: RoutingRecord | None = None

    def forward(self, x_TD: Tensor, ids_T: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """-> the layer's output and its auxiliary losses.  In training mode `record` is replaced; in evaluation it is left alone."""
        routing = self.router(x_TD, ids_T)
        experts_A = routing.experts_Tk.flatten()
        counts_E = torch.bincount(experts_A, minlength=len(self.weight_in))
        if self.training:
            self.router.observe(counts_E)
            self.record = RoutingRecord(
                probs_TE=routing.probs_TE.detach(),
                logits_TE=None if routing.logits_TE is None else routing.logits_TE.detach(),
                experts_Tk=routing.experts_Tk,
                weights_Tk=routing.weights_Tk.detach(),
                counts_E=counts_E,
                gate=routing.gate,
                column_errors_K=routing.column_errors_K,
            )
        y_TkD = self._experts(x_TD, routing.experts_Tk, counts_E)
        y_TD = (y_TkD * routing.weights_Tk.unsqueeze(-1).to(y_TkD.dtype)).sum(dim=1)
        return y_TD, routing.losses

    def _experts(self, x_TD: Tensor, experts_Tk: Tensor, counts_E: Tensor) -> Tensor:
        """What every chosen expert makes of its tokens, unweighted, in the order of `experts_Tk` -> (T, k, d)."""
        T, k = experts_Tk.shape
        order_A = experts_Tk.flatten().argsort(stable=True)
        # Both gathers are permutations of A rows: their gradients add nothing to nothing, in any order, on any device.
        x_AD = x_TD.unsqueeze(1).expand(T, k, -1).reshape(T * k, -1)[order_A]
        rows = x_AD.split(counts_E.tolist())
        weights = zip(rows, self.weight_in.unbind(), self.weight_out.unbind(), strict=True)
        y_AD = torch.cat([linear(gelu(linear(x, w_in)), w_out) for x, w_in, w_out in weights])
        back_A = torch.empty_like(order_A)
        back_A[order_A] = torch.arange(T * k, device=order_A.device)
        return y_AD[back_A].view(T, k, -1)
