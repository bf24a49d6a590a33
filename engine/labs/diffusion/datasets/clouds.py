"""What the lab `consistency` learns: a distribution in the plane, whose flow is known exactly, or handwritten digits as points.

All in units in which the data has standard deviation 1.  Shapes: N points, D coordinates.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Protocol

import torch
from torch import Tensor

from engine.labs.diffusion.datasets.plane import plane


class Cloud(Protocol):
    """A distribution to draw from."""

    d: int
    endless: bool  # every draw is new

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """-> (n, D) points to train on."""

    def unseen(self, n: int, generator: torch.Generator) -> Tensor:
        """-> (n, D) points that training does not draw, or at most as many as there are."""

    def provenance(self) -> dict[str, Any]: ...


class Plane:
    """A mixture in the plane; every draw is new, so all points are unseen."""

    d = 2
    endless = True

    def __init__(self, name: str) -> None:
        self.mixture = plane(name)

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        return self.mixture.sample(n, generator)

    unseen = sample

    def provenance(self) -> dict[str, Any]:
        return self.mixture.provenance()


class Digits:
    """Handwritten digits, 8 x 8, as points with 64 coordinates; the pictures held out are the unseen ones."""

    d = 64
    endless = False

    def __init__(self) -> None:
        from engine.labs.diffusion.datasets.digits import digits

        self.images = digits()

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        pictures = self.images.train_NCHW
        return pictures[torch.randint(len(pictures), (n,), generator=generator)].flatten(1)

    def unseen(self, n: int, generator: torch.Generator) -> Tensor:
        pictures = self.images.validation_NCHW
        return pictures[torch.randperm(len(pictures), generator=generator)[:n]].flatten(1)

    def provenance(self) -> dict[str, Any]:
        return self.images.provenance()


@cache
def cloud(name: str) -> Plane | Digits:
    """By the name of the knob `data`."""
    return Digits() if name == "digits" else Plane(name)
