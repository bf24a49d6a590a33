"""What multiplies a long skip connection before it joins the decoder: a constant, or a small network that reads the skip.

A gate maps the skip to kappa, a number or a tensor that broadcasts over it.  N gates belong to a network of N
skips, the outermost first; gates may be one and the same module.

Shapes: B pictures, L places (pixels of a feature map, or tokens), D channels.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class ConstantGate(nn.Module):
    """The same number for every skip value; nothing is learned."""

    def __init__(self, kappa: float) -> None:
        super().__init__()
        self.kappa = kappa

    def forward(self, skip_BLD: Tensor) -> float:
        return self.kappa


class TokenGate(nn.Module):
    """ScaleLong's learnable scaling (LS) as its authors' U-ViT has it: one gate per place, from the mean over the channels.

    Linear(L -> L/r), ReLU, Linear(L/r -> L), sigmoid.  L is part of the network: it does not carry over to another
    resolution.  No initial values of its own: with torch's default the gates start near sigmoid(0) = 1/2.
    """

    def __init__(self, places: int, reduction: int) -> None:
        super().__init__()
        self.inner = nn.Linear(places, max(1, places // reduction))
        self.outer = nn.Linear(max(1, places // reduction), places)

    def forward(self, skip_BLD: Tensor) -> Tensor:
        pooled_BL = skip_BLD.mean(dim=2)
        return torch.sigmoid(self.outer(torch.relu(self.inner(pooled_BL)))).unsqueeze(2)


class ChannelGate(nn.Module):
    """Squeeze-and-excitation: one gate per channel, from the mean over the places."""

    def __init__(self, channels: int, reduction: int) -> None:
        super().__init__()
        self.inner = nn.Linear(channels, max(1, channels // reduction))
        self.outer = nn.Linear(max(1, channels // reduction), channels)

    def forward(self, skip_BLD: Tensor) -> Tensor:
        pooled_BD = skip_BLD.mean(dim=1)
        return torch.sigmoid(self.outer(torch.relu(self.inner(pooled_BD)))).unsqueeze(1)


class SkipFusion(nn.Module):
    """y = W_h h + W_s (kappa s) + b: the first layer of a decoder block, on its concatenated inputs [h ; kappa s].

    Written as two products, which is the same function without the copy.  Each half starts with variance 1/D, which keeps the
    energy of what passes through it (Kaiming without the 2 of a ReLU, which is not here).
    Differs: U-ViT draws the whole matrix with standard deviation 0.02, which at its width shrinks both parts alike.
    """

    def __init__(self, channels: int, gate: nn.Module) -> None:
        super().__init__()
        self.gate = gate
        self.main = nn.Linear(channels, channels)
        self.skip = nn.Linear(channels, channels, bias=False)
        self.main.init_std = self.skip.init_std = {"weight": channels**-0.5}

    def parts(self, h_BLD: Tensor, skip_BLD: Tensor) -> tuple[Tensor, Tensor]:
        """The two summands, (B, L, D) each: of the main path, of the long skip."""
        kappa = self.gate(skip_BLD)
        scaled = skip_BLD if isinstance(kappa, float) and kappa == 1.0 else skip_BLD * kappa
        return self.main(h_BLD), self.skip(scaled)

    def forward(self, h_BLD: Tensor, skip_BLD: Tensor) -> Tensor:
        main_BLD, skip_BLD = self.parts(h_BLD, skip_BLD)
        return main_BLD + skip_BLD
