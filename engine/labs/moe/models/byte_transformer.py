"""A small decoder-only language model over bytes whose feed-forward layers are Mixtures of Experts.

Pre-LN blocks, learned positions, causal attention, an output matrix of its own.  Embeddings start
wide (std 0.5): with the usual 0.02 the LayerNorm sees tokens that hardly differ, and an untrained
router already idles a third of its experts.

Shapes: B sequences, L positions, T = B L tokens, D width, H heads, V = 256 bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from engine.labs.common.models.attention_tap import AttentionTap
from engine.labs.moe.models.capacity import Capacity
from engine.labs.moe.models.moe_layer import MoELayer
from engine.labs.moe.models.router_scores import RouterModule
from engine.labs.moe.models.routing import RouteContext

VOCABULARY = 256


class ByteTransformer(nn.Module):
    """`forward(ids_BL, step) -> (logits_BLV, losses)`; `losses` are the routers' auxiliary losses, summed over the layers."""

    def __init__(
        self,
        d: int,
        layers: int,
        heads: int,
        context: int,
        experts: int,
        hidden: int,
        make_router: Callable[[int], RouterModule],
        make_capacity: Callable[[int], Capacity | None] = lambda layer: None,
    ) -> None:
        super().__init__()
        self.context = context
        self.embedding = nn.Embedding(VOCABULARY, d)
        self.embedding.init_std = {"weight": 0.5}
        self.position = nn.Embedding(context, d)
        self.position.init_std = {"weight": 0.1}
        self.blocks = nn.ModuleList(
            Block(d, heads, MoELayer(d, experts, hidden, make_router(layer), make_capacity(layer))) for layer in range(layers)
        )
        self.norm = nn.LayerNorm(d)
        self.head = nn.Linear(d, VOCABULARY, bias=False)

    def forward(self, ids_BL: Tensor, step: int = 0) -> tuple[Tensor, dict[str, Tensor]]:
        assert ids_BL.shape[1] <= self.context, f"{ids_BL.shape[1]} bytes given, but the model has {self.context} positions"
        x_BLD = self.embedding(ids_BL) + self.position.weight[: ids_BL.shape[1]]
        losses: dict[str, Tensor] = {}
        context = RouteContext(ids_BL.flatten(), ids_BL.shape[1], step)
        for block in self.blocks:
            x_BLD, extra = block(x_BLD, context)
            losses = {name: losses.get(name, 0.0) + value for name, value in extra.items()}
        return self.head(self.norm(x_BLD)), losses


class Block(nn.Module):
    """x + attention(LN x), then x + moe(LN x)."""

    def __init__(self, d: int, heads: int, moe: MoELayer) -> None:
        super().__init__()
        self.norm_attention = nn.LayerNorm(d)
        self.attention = Attention(d, heads)
        self.norm_moe = nn.LayerNorm(d)
        self.moe = moe

    def forward(self, x_BLD: Tensor, context: RouteContext) -> tuple[Tensor, dict[str, Tensor]]:
        seen_BLD = self.norm_attention(x_BLD)
        x_BLD = x_BLD + self.attention(seen_BLD)
        context = replace(context, attention=partial(self.attention.weights, seen_BLD))
        y_TD, losses = self.moe(self.norm_moe(x_BLD).flatten(0, 1), context)
        return x_BLD + y_TD.view_as(x_BLD), losses


class Attention(nn.Module):
    """Causal self-attention; a position sees itself and what came before."""

    def __init__(self, d: int, heads: int) -> None:
        super().__init__()
        if d % heads:
            raise ValueError(f"A width of {d} does not divide into {heads} heads; give a width that is a multiple of {heads}.")
        self.heads = heads
        self.qkv = nn.Linear(d, 3 * d, bias=False)
        self.out = nn.Linear(d, d, bias=False)
        self.tap = AttentionTap()

    def forward(self, x_BLD: Tensor) -> Tensor:
        B, L, _ = x_BLD.shape
        q_BHLd, k_BHLd, v_BHLd = self._parts(x_BLD)
        self.tap(q_BHLd, k_BHLd)
        y_BHLd = scaled_dot_product_attention(q_BHLd, k_BHLd, v_BHLd, is_causal=True)
        return self.out(y_BHLd.transpose(1, 2).reshape(B, L, -1))

    def weights(self, x_BLD: Tensor) -> Tensor:
        """How much each position takes from each earlier one and itself, mean over the heads -> (B, L, L), rows sum to 1."""
        q_BHLd, k_BHLd, _ = self._parts(x_BLD)
        scores_BHLL = q_BHLd @ k_BHLd.transpose(-2, -1) / q_BHLd.shape[-1] ** 0.5
        later_LL = scores_BHLL.new_ones(scores_BHLL.shape[-2:], dtype=torch.bool).triu(1)
        return scores_BHLL.masked_fill(later_LL, -torch.inf).softmax(dim=-1).mean(dim=1)

    def _parts(self, x_BLD: Tensor) -> tuple[Tensor, ...]:
        B, L, _ = x_BLD.shape
        return self.qkv(x_BLD).view(B, L, 3, self.heads, -1).permute(2, 0, 3, 1, 4).unbind()
