"""A tap in an attention layer: it does nothing, so that a probe can hook it and see queries and keys."""

from __future__ import annotations

from torch import Tensor, nn


class AttentionTap(nn.Module):
    """Called once per attention layer and forward pass with (B, heads, T, d_head) queries and keys, after any normalisation."""

    def forward(self, q_BHTD: Tensor, k_BHTD: Tensor) -> None:
        return None
