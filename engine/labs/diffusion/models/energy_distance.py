"""The energy distance between two clouds of points: 0 only for equal distributions, and without a parameter to tune.

Shapes: N, M points, D coordinates.  Source: Szekely and Rizzo 2013, Energy statistics.
"""

from __future__ import annotations

import torch
from torch import Tensor


def mean_distance(x_ND: Tensor, y_MD: Tensor) -> Tensor:
    """Mean Euclidean distance of all N M pairs -> () fp64; by differences, for the usual matrix product loses close pairs to rounding."""
    return torch.cdist(x_ND, y_MD, compute_mode="donot_use_mm_for_euclid_dist").mean(dtype=torch.float64)


def energy_distance(x_ND: Tensor, y_MD: Tensor, within_y: Tensor | None = None) -> Tensor:
    """2 E|X - Y| - E|X - X'| - E|Y - Y'| over all pairs, each point with itself included (the V-statistic) -> () fp64, never below 0.

    For finite clouds of one distribution it is positive, about (1/N + 1/M) E|X - X'|: its noise floor.  A non-finite result counts
    as infinite.  `within_y`: E|Y - Y'| where it is known already.
    """
    within_y = mean_distance(y_MD, y_MD) if within_y is None else within_y
    value = 2.0 * mean_distance(x_ND, y_MD) - mean_distance(x_ND, x_ND) - within_y
    return torch.where(torch.isfinite(value), value, torch.inf)


def scaled_split(points_MD: Tensor, n: int, generator: torch.Generator) -> Tensor:
    """What n real points would score against M, from the M alone -> () fp64: the energy distance of two random halves, times
    (1/n + 1/M) / (1/a + 1/b) for halves of a and b points.

    For two sets of one distribution the V-statistic over (1/n + 1/M) has the same mean for every n and M, and nearly the same spread:
    a quadratic form in sums that become Gaussian.
    """
    M = len(points_MD)
    order = points_MD[torch.randperm(M, generator=generator)]
    a, b = M // 2, M - M // 2
    return energy_distance(order[:a], order[a:]) * (1.0 / n + 1.0 / M) / (1.0 / a + 1.0 / b)
