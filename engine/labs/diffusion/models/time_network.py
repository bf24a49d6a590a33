"""A small residual network F(y, time) whose time embedding can be made as violent as one likes.

The instability of continuous-time consistency models enters through dF/dt, and dF/dt through the embedding: sin(s 2 pi w c + p)
has a derivative that grows with the scale s (sCM, eq. 7).

Shapes: B points, D coordinates, W width, H frequencies.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import layer_norm, silu

from engine.labs.common.models.initialise import named_generator

FREQUENCIES = 32


def pixel_norm(x_BW: Tensor) -> Tensor:
    """Each row divided by its root mean square."""
    return x_BW * torch.rsqrt(x_BW.square().mean(dim=1, keepdim=True) + 1e-4)


class TimeEmbedding(nn.Module):
    """(B,) -> (B, W): sines and cosines of the time, then two linear layers.

    `fourier_scale` 0: positional, frequencies from 1 down to 1e-4.  Otherwise random frequencies, normal with that standard
    deviation, times 2 pi (16 in score SDE and EDM's NCSN++).  `quiet`: the last layer starts at zero.
    """

    def __init__(self, width: int, fourier_scale: float, seed: int, name: str, *, quiet: bool = False) -> None:
        super().__init__()
        if fourier_scale:
            frequency_H = 2.0 * math.pi * fourier_scale * torch.randn(FREQUENCIES, generator=named_generator(seed, f"{name}.frequency"))
        else:
            frequency_H = 1e-4 ** (torch.arange(FREQUENCIES) / FREQUENCIES)
        self.register_buffer("frequency_H", frequency_H)
        self.first = nn.Linear(2 * FREQUENCIES, width)
        self.second = nn.Linear(width, width)
        if quiet:
            self.second.init_std = {"weight": 0.0}

    def forward(self, time_B: Tensor) -> Tensor:
        angle_BH = time_B.unsqueeze(1) * self.frequency_H
        waves = torch.cat([angle_BH.cos(), angle_BH.sin()], dim=1)
        return self.second(silu(self.first(waves)))


class Block(nn.Module):
    """y + linear(silu(linear(modulated LayerNorm(y)))).

    `double_norm`: scale and shift of the modulation are normalised themselves (sCM's adaptive double normalisation).
    Differs: the scale is 1 + pnorm(s), as in FACM's code, where the paper writes pnorm(s).
    """

    def __init__(self, width: int, double_norm: bool) -> None:
        super().__init__()
        self.double_norm = double_norm
        self.modulation = nn.Linear(width, 2 * width)
        self.wide = nn.Linear(width, 2 * width)
        self.back = nn.Linear(2 * width, width)

    def forward(self, y_BW: Tensor, time_BW: Tensor) -> Tensor:
        scale_BW, shift_BW = self.modulation(silu(time_BW)).chunk(2, dim=1)
        if self.double_norm:
            scale_BW, shift_BW = pixel_norm(scale_BW), pixel_norm(shift_BW)
        normed = layer_norm(y_BW, y_BW.shape[1:]) * (1.0 + scale_BW) + shift_BW
        return y_BW + self.back(silu(self.wide(normed)))


class TimeNetwork(nn.Module):
    """`forward(y_BD, time_B, end_B) -> F_BD`.  `two_times`: it also hears where the jump ends (FACM's r) or how long it is (MeanFlow's
    t - r).  `quiet_end`: the embedding of the second time starts at zero.  `head_norm`: a LayerNorm before the last layer."""

    def __init__(
        self,
        d: int,
        width: int,
        blocks: int,
        fourier_scale: float,
        double_norm: bool,
        two_times: bool,
        head_norm: bool,
        seed: int,
        *,
        quiet_end: bool = True,
    ) -> None:
        super().__init__()
        self.head_norm = head_norm
        self.time = TimeEmbedding(width, fourier_scale, seed, "time")
        self.end = TimeEmbedding(width, fourier_scale, seed, "end", quiet=quiet_end) if two_times else None
        self.enter = nn.Linear(d, width)
        self.blocks = nn.ModuleList(Block(width, double_norm) for _ in range(blocks))
        self.leave = nn.Linear(width, d)

    def forward(self, y_BD: Tensor, time_B: Tensor, end_B: Tensor | None = None) -> Tensor:
        time_BW = self.time(time_B)
        if self.end is not None:
            assert end_B is not None, "this network needs to hear where the jump ends"
            time_BW = time_BW + self.end(end_B)
        y_BW = self.enter(y_BD)
        for block in self.blocks:
            y_BW = block(y_BW, time_BW)
        return self.leave(layer_norm(y_BW, y_BW.shape[1:]) if self.head_norm else y_BW)


class LogVariance(nn.Module):
    """w(u) of the adaptive weighting, u the share of noise: (B,) -> (B,), 0 at the start."""

    def __init__(self, width: int, seed: int) -> None:
        super().__init__()
        self.embedding = TimeEmbedding(width, 0.0, seed, "log_variance")
        self.leave = nn.Linear(width, 1)
        self.leave.init_std = {"weight": 0.0}

    def forward(self, noise_fraction_B: Tensor) -> Tensor:
        return self.leave(silu(self.embedding(noise_fraction_B))).squeeze(1)
