"""Distributions in the plane, each a mixture of round Gaussians, so that its exact probability flow has a closed form.

All live in units in which each axis has mean 0 and standard deviation 1; `SIGMA_DATA` is what the papers call
sigma_d, the standard deviation in data units, by which samples and distances are multiplied before a person sees them.

Shapes: N points, K Gaussians, 2 axes.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

SIGMA_DATA = 0.5
RING_MODES = 8


@dataclass(frozen=True)
class Mixture:
    """Equal parts of K round Gaussians of one width."""

    name: str
    centres_K2: Tensor
    std: float

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """-> (n, 2) points."""
        which_N = torch.randint(len(self.centres_K2), (n,), generator=generator)
        return self.centres_K2[which_N] + self.std * torch.randn(n, 2, generator=generator)

    def velocity(self, y_N2: Tensor, t_N: Tensor) -> Tensor:
        """dy/dt of the exact probability flow y_t = cos(t) y_0 + sin(t) z -> (N, 2), for any t from 0 to pi/2.

        Each Gaussian stays one, with centre cos(t) mu and variance V = cos(t)^2 s^2 + sin(t)^2; given the Gaussian, dy/dt is linear
        in y, and the parts are mixed with their posterior weights.
        """
        cos, sin = torch.cos(t_N), torch.sin(t_N)
        variance_N1 = (cos.square() * self.std**2 + sin.square()).unsqueeze(1)
        off_NK2 = y_N2.unsqueeze(1) - cos[:, None, None] * self.centres_K2.to(y_N2)
        weight_NK = torch.softmax(-off_NK2.square().sum(dim=2) / (2.0 * variance_N1), dim=1)
        pull_N1 = (cos * sin).unsqueeze(1) * (1.0 - self.std**2) / variance_N1
        each_NK2 = pull_N1.unsqueeze(1) * off_NK2 - sin[:, None, None] * self.centres_K2.to(y_N2)
        return (weight_NK.unsqueeze(2) * each_NK2).sum(dim=1)

    def coverage(self, y_N2: Tensor) -> Tensor:
        """Share of the Gaussians within 3 standard deviations of which lie enough points -> ().

        Enough is 0.16 of an equal share: 2 % of the points for the eight of the ring.  A point counts for its nearest Gaussian.
        """
        distance_N, nearest_N = torch.cdist(y_N2, self.centres_K2.to(y_N2)).min(dim=1)
        near_K = torch.bincount(nearest_N[distance_N < 3.0 * self.std], minlength=len(self.centres_K2))
        return (near_K > 0.16 * len(y_N2) / len(self.centres_K2)).double().mean()

    def provenance(self) -> dict[str, object]:
        digest = hashlib.sha256(self.centres_K2.numpy().tobytes() + repr(self.std).encode()).hexdigest()
        return {"distribution": self.name, "gaussians": len(self.centres_K2), "std": self.std, "sha256": digest}


def _standard(name: str, centres: list[tuple[float, float]], std: float) -> Mixture:
    """Shift to mean 0 and scale each axis to standard deviation 1, Gaussians included; `std` is given for data of about that size."""
    points = torch.tensor(centres, dtype=torch.float64)
    points = points - points.mean(dim=0)
    return Mixture(name, (points * ((1.0 - std**2) / points.square().mean(dim=0)).sqrt()).float(), std)


def _arc(n: int, start: float, end: float) -> list[float]:
    return [start + (end - start) * (i + 0.5) / n for i in range(n)]


@cache
def plane(name: str) -> Mixture:
    """`ring`, `checkerboard`, `moons` or `spirals`.  ValueError for any other name."""
    if name == "ring":
        angles = [2 * math.pi * i / RING_MODES for i in range(RING_MODES)]
        return _standard(name, [(math.cos(a), math.sin(a)) for a in angles], 0.1)
    if name == "checkerboard":
        inner = [(i + 0.5) / 4 for i in range(4)]
        squares = [(column, row) for column in range(4) for row in range(4) if (column + row) % 2 == 0]
        return _standard(name, [(column + x, row + y) for column, row in squares for x in inner for y in inner], 0.1)
    if name == "moons":
        upper = [(math.cos(a), math.sin(a)) for a in _arc(24, 0.0, math.pi)]
        return _standard(name, upper + [(1.0 - x, 0.5 - y) for x, y in upper], 0.1)
    if name == "spirals":
        arm = [(r * math.cos(4.5 * r), r * math.sin(4.5 * r)) for r in (math.sqrt(q) for q in _arc(40, 0.05, 1.0))]
        return _standard(name, arm + [(-x, -y) for x, y in arm], 0.06)
    raise ValueError(f"There is no distribution {name!r} in the plane; there are ring, checkerboard, moons and spirals.")
