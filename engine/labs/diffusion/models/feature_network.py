"""The small network whose features judge pictures: three convolutions that learnt what a picture shows and what was done to it.

Shapes: N pictures, C channels, S pixels along a side, D features, K classes.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

FEATURES = 32
WIDTHS = (16, 32, FEATURES)
SMALLEST = 1e-5  # of the largest variance: directions in which real pictures hardly differ are not blown up beyond it
CHANGES = ("nothing", "noise", "blur", "a quarter turn", "upside down")


class FeatureNetwork(nn.Module):
    """(N, C, S, S) pictures of mean 0 and deviation 1 -> (N, D) features; `logits` has K classes first, then the changes.

    The features are those before the last layer, averaged over places and whitened: over real pictures each has mean 0 and variance
    about 1, so that no direction is drowned by another and the distance has no unit.
    """

    def __init__(self, C: int, S: int, K: int) -> None:
        super().__init__()
        strides = (1, 2, 2) if S <= 8 else (2, 2, 2)
        layers, before = [], C
        for width, stride in zip(WIDTHS, strides, strict=True):
            layers += [nn.Conv2d(before, width, 3, stride=stride, padding=1), nn.SiLU()]
            before = width
        self.convolutions = nn.Sequential(*layers)
        self.head = nn.Linear(FEATURES, K + len(CHANGES))
        self.register_buffer("mean", torch.zeros(FEATURES))
        self.register_buffer("whiten", torch.eye(FEATURES))

    def pooled(self, x_NCSS: Tensor) -> Tensor:
        """(N, D), not whitened."""
        return self.convolutions(x_NCSS).mean(dim=(2, 3))

    def logits(self, x_NCSS: Tensor) -> Tensor:
        return self.head(self.pooled(x_NCSS))

    def forward(self, x_NCSS: Tensor) -> Tensor:
        return (self.pooled(x_NCSS) - self.mean) @ self.whiten

    @torch.no_grad()
    def settle(self, real_NCSS: Tensor) -> None:
        """Take mean and whitening from real pictures."""
        pooled_ND = self.pooled(real_NCSS).double()
        value_D, vector_DD = torch.linalg.eigh(torch.cov(pooled_ND.T))
        self.mean.copy_(pooled_ND.mean(dim=0))
        self.whiten.copy_(vector_DD / (value_D + SMALLEST * value_D[-1]).sqrt())


def changed(x_NCSS: Tensor, which_N: Tensor, noise_NCSS: Tensor) -> Tensor:
    """Each picture after the change that `which_N` names by its place in CHANGES; `noise_NCSS` is standard normal."""
    C = x_NCSS.shape[1]
    mean_filter = torch.full((C, 1, 3, 3), 1.0 / 9.0)
    blurred = functional.conv2d(functional.pad(x_NCSS, (1, 1, 1, 1), mode="replicate"), mean_filter, groups=C)
    forms = (x_NCSS, x_NCSS + 0.3 * noise_NCSS, 0.5 * (x_NCSS + blurred), torch.rot90(x_NCSS, 1, (2, 3)), x_NCSS.flip(2))
    return torch.stack(forms)[which_N, torch.arange(len(x_NCSS))]
