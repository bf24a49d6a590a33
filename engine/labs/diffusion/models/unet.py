"""A convolutional UNet with N long skips on a residual stream: f_i(x) = b_i([f_{i+1}(a_i(x)) ; kappa_i a_i(x)]), i = 1 outermost.

Normalisation stands on the branches only (GroupNorm, SiLU, convolution), so the size of the stream is free to grow, as
the theorems of ScaleLong have it.  All blocks have one width; `levels` halvings of the resolution are spread over the N blocks.
`encoder[i-1]` is a_i and `decoder[i-1]` is b_i of the paper.

Shapes: B pictures, C input channels, H, W pixels, D channels inside, L = H W of a level.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate, silu

from engine.labs.diffusion.models.noise_embedding import NoiseEmbedding
from engine.labs.diffusion.models.skip_gates import SkipFusion

GROUPS = 8


class UNet(nn.Module):
    """`forward(x_BCHW, label_B) -> (B, C, H, W)`; `label_B` is the noise level as the network reads it."""

    def __init__(
        self,
        channels: int,
        size: int,
        width: int,
        skips: int,
        levels: int,
        make_gates: Callable[[Sequence[tuple[int, int]]], Sequence[nn.Module]],
        branch_factor: Callable[[int, int], float],
        sum_factor: float = 1.0,
    ) -> None:
        """`make_gates`: from (places, channels) of every skip to its gates.  `branch_factor(l, n)`: factor of residual branch l of n
        (1-based, in the order of the forward pass).  `sum_factor`: of the sum of stream and branch."""
        super().__init__()
        if width % GROUPS:
            raise ValueError(f"A width of {width} does not divide into {GROUPS} groups of channels; give a multiple of {GROUPS}.")
        self.level = [(i * levels) // skips for i in range(skips)]
        if size % 2 ** self.level[-1]:
            raise ValueError(f"Pictures of {size} pixels cannot be halved {self.level[-1]} times; give fewer levels.")
        gates = make_gates([((size >> level) ** 2, width) for level in self.level])
        factors = [branch_factor(i + 1, 2 * skips + 1) for i in range(2 * skips + 1)]
        self.embedding = NoiseEmbedding(width)
        self.stem = nn.Conv2d(channels, width, 3, padding=1)
        self.encoder = nn.ModuleList(Residual(width, factors[i], sum_factor) for i in range(skips))
        self.middle = Residual(width, factors[skips], sum_factor)
        self.decoder = nn.ModuleList(Decoder(width, gates[i], factors[2 * skips - i], sum_factor) for i in range(skips))
        self.norm = nn.GroupNorm(GROUPS, width)
        self.head = nn.Conv2d(width, channels, 3, padding=1)
        self.head.init_std = {"weight": 0.0}

    def forward(self, x_BCHW: Tensor, label_B: Tensor) -> Tensor:
        time_BD = silu(self.embedding(label_B))
        h, skips, level = self.stem(x_BCHW), [], 0
        for block, its_level in zip(self.encoder, self.level, strict=True):
            h = block(avg_pool2d(h, 2) if its_level > level else h, time_BD)
            skips.append(h)
            level = its_level
        h = self.middle(h, time_BD)
        for block, skip in zip(reversed(self.decoder), reversed(skips), strict=True):
            h = block(interpolate(h, scale_factor=2.0) if skip.shape[-1] > h.shape[-1] else h, skip, time_BD)
        return self.head(silu(self.norm(h)))


class Residual(nn.Module):
    """c (h + beta F(h)), F = convolution of SiLU of (GroupNorm of h, plus the noise level).

    Differs: one convolution where most diffusion UNets have two, which halves the time of a step."""

    def __init__(self, width: int, factor: float, sum_factor: float) -> None:
        super().__init__()
        self.factor, self.sum_factor = factor, sum_factor
        self.norm = nn.GroupNorm(GROUPS, width)
        self.conv = nn.Conv2d(width, width, 3, padding=1)
        self.time = nn.Linear(width, width)

    def forward(self, h_BDHW: Tensor, time_BD: Tensor) -> Tensor:
        out = h_BDHW + self.factor * self.conv(silu(self.norm(h_BDHW) + self.time(time_BD)[:, :, None, None]))
        return out if self.sum_factor == 1.0 else self.sum_factor * out


class Decoder(nn.Module):
    """b_i: the long skip joins the stream, then a residual block."""

    def __init__(self, width: int, gate: nn.Module, factor: float, sum_factor: float) -> None:
        super().__init__()
        self.fusion = SkipFusion(width, gate)
        self.residual = Residual(width, factor, sum_factor)

    def forward(self, h_BDHW: Tensor, skip_BDHW: Tensor, time_BD: Tensor) -> Tensor:
        B, D, H, W = skip_BDHW.shape
        fused_BLD = self.fusion(h_BDHW.flatten(2).transpose(1, 2), skip_BDHW.flatten(2).transpose(1, 2))
        return self.residual(fused_BLD.transpose(1, 2).reshape(B, D, H, W), time_BD)
