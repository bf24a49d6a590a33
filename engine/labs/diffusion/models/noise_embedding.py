"""The noise level as a vector: sines and cosines of it, then two layers.

Shapes: B pictures, D channels.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import silu

SLOWEST = 10_000.0


class NoiseEmbedding(nn.Module):
    """Positional embedding of Vaswani et al. 2017 with D/2 frequencies from 1 down to 1/10,000, then Linear, SiLU, Linear.

    The sines are always computed in fp32: in half precision a noise label of 999 has no fraction left.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        if channels % 2:
            raise ValueError(f"A width of {channels} does not split into sines and cosines; give an even width.")
        exponents = torch.arange(channels // 2) / max(1, channels // 2 - 1)
        self.register_buffer("frequencies", torch.exp(-math.log(SLOWEST) * exponents), persistent=False)
        self.inner = nn.Linear(channels, channels)
        self.outer = nn.Linear(channels, channels)

    def forward(self, label_B: Tensor) -> Tensor:
        with torch.autocast(label_B.device.type, enabled=False):
            angles = label_B.float().unsqueeze(1) * self.frequencies
            waves_BD = torch.cat([angles.cos(), angles.sin()], dim=1)
        return self.outer(silu(self.inner(waves_BD)))
