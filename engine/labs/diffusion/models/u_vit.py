"""U-ViT (Bao et al. 2023, arXiv 2209.12152): a transformer over patches whose blocks are joined in pairs by N long skips.

N blocks in, one in the middle, N blocks out; pre-LN, so the stream itself is never normalised before the end.  `encoder[i-1]` is
a_i and `decoder[i-1]` is b_i of ScaleLong.  The token of the noise level has no weights, as in the authors' CIFAR-10 configuration.
Differs: no class token, and linear layers have torch's default variance instead of the standard deviation 0.02, which at these
widths would leave the branches almost silent.

Shapes: B pictures, C input channels, L tokens (patches and one for the noise level), D width, P pixels of a patch's side.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, scaled_dot_product_attention

from engine.labs.diffusion.models.noise_embedding import Waves
from engine.labs.diffusion.models.skip_gates import SkipFusion

MLP_RATIO = 4


class UViT(nn.Module):
    """`forward(x_BCHW, label_B) -> (B, C, H, W)`."""

    def __init__(
        self,
        channels: int,
        size: int,
        patch: int,
        width: int,
        heads: int,
        skips: int,
        make_gates: Callable[[Sequence[tuple[int, int]]], Sequence[nn.Module]],
        branch_factor: Callable[[int, int], float],
        sum_factor: float = 1.0,
    ) -> None:
        """As of `UNet`; there are two residual branches in a block."""
        super().__init__()
        if size % patch:
            raise ValueError(f"Pictures of {size} pixels do not divide into patches of {patch}; give a patch that divides {size}.")
        tokens = (size // patch) ** 2 + 1
        gates = make_gates([(tokens, width)] * skips)
        factors = [branch_factor(i + 1, 4 * skips + 2) for i in range(4 * skips + 2)]

        def block(n: int) -> Block:
            return Block(width, heads, (factors[2 * n], factors[2 * n + 1]), sum_factor)

        self.embedding = Waves(width, endpoint=False)
        self.patches = nn.Conv2d(channels, width, patch, stride=patch)
        self.position = nn.Parameter(torch.empty(tokens, width))
        self.init_std = {"position": 0.02}
        self.encoder = nn.ModuleList(block(i) for i in range(skips))
        self.middle = block(skips)
        self.decoder = nn.ModuleList(Decoder(width, gates[i], block(2 * skips - i)) for i in range(skips))
        self.norm = nn.LayerNorm(width)
        self.pixels = nn.Linear(width, channels * patch * patch)
        self.smooth = nn.Conv2d(channels, channels, 3, padding=1)
        self.patch = patch

    def forward(self, x_BCHW: Tensor, label_B: Tensor) -> Tensor:
        B, C, H, W = x_BCHW.shape
        h = torch.cat([self.embedding(label_B).unsqueeze(1), self.patches(x_BCHW).flatten(2).transpose(1, 2)], dim=1) + self.position
        skips = []
        for block in self.encoder:
            h = block(h)
            skips.append(h)
        h = self.middle(h)
        for block, skip in zip(reversed(self.decoder), reversed(skips), strict=True):
            h = block(h, skip)
        P = self.patch
        patches = self.pixels(self.norm(h))[:, 1:].view(B, H // P, W // P, C, P, P)
        return self.smooth(patches.permute(0, 3, 1, 4, 2, 5).reshape(B, C, H, W))


class Block(nn.Module):
    """c (h + beta attention(LN h)), then c (h + beta' MLP(LN h))."""

    def __init__(self, width: int, heads: int, factors: tuple[float, float], sum_factor: float) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"A width of {width} does not divide into {heads} heads; give a width that is a multiple of {heads}.")
        self.heads, self.factors, self.sum_factor = heads, factors, sum_factor
        self.norm_attention, self.norm_mlp = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width, bias=False), nn.Linear(width, width)
        self.mlp_in, self.mlp_out = nn.Linear(width, MLP_RATIO * width), nn.Linear(MLP_RATIO * width, width)

    def forward(self, h_BLD: Tensor) -> Tensor:
        B, L, _ = h_BLD.shape
        q, k, v = self.qkv(self.norm_attention(h_BLD)).view(B, L, 3, self.heads, -1).permute(2, 0, 3, 1, 4).unbind()
        attended = scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(B, L, -1)
        h_BLD = self.sum_factor * (h_BLD + self.factors[0] * self.out(attended))
        return self.sum_factor * (h_BLD + self.factors[1] * self.mlp_out(gelu(self.mlp_in(self.norm_mlp(h_BLD)))))


class Decoder(nn.Module):
    """b_i: the long skip joins the stream, then a block."""

    def __init__(self, width: int, gate: nn.Module, block: Block) -> None:
        super().__init__()
        self.fusion = SkipFusion(width, gate)
        self.block = block

    def forward(self, h_BLD: Tensor, skip_BLD: Tensor) -> Tensor:
        return self.block(self.fusion(h_BLD, skip_BLD))
