"""The noise level as a vector: sines and cosines of it, and for the convolutional UNet two layers after them.

Shapes: B pictures, D channels.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import silu

SLOWEST = 10_000.0


class Waves(nn.Module):
    """(B,) -> (B, D): cosines, then sines, of the label times D/2 frequencies from 1 down; no weights.

    `endpoint`: the last frequency is 1/10,000, as in DDPM's code (Ho et al. 2020, nn.py); else frequency i is 10,000^(-2i/D), so that
    the last stays above it, as in U-ViT's (Bao et al. 2023, libs/uvit.py, timestep_embedding).
    Always in fp32: in half precision a noise label of 999 has no fraction left.
    """

    def __init__(self, channels: int, *, endpoint: bool) -> None:
        super().__init__()
        if channels % 2:
            raise ValueError(f"A width of {channels} does not split into sines and cosines; give an even width.")
        exponents = torch.arange(channels // 2) / (max(1, channels // 2 - 1) if endpoint else channels // 2)
        self.register_buffer("frequencies", torch.exp(-math.log(SLOWEST) * exponents), persistent=False)

    def forward(self, label_B: Tensor) -> Tensor:
        with torch.autocast(label_B.device.type, enabled=False):
            angles = label_B.float().unsqueeze(1) * self.frequencies
            return torch.cat([angles.cos(), angles.sin()], dim=1)


class NoiseEmbedding(Waves):
    """The waves, then Linear, SiLU, Linear, as in DDPM.  Differs: there the layers are four times as wide."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, endpoint=True)
        self.inner = nn.Linear(channels, channels)
        self.outer = nn.Linear(channels, channels)

    def forward(self, label_B: Tensor) -> Tensor:
        return self.outer(silu(self.inner(super().forward(label_B))))
