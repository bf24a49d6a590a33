"""How far two sets of features are apart: the Fréchet distance of their Gaussians, and the kernel distance without bias.

Shapes: N, M pictures, D features.  Everything in fp64.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Moments(NamedTuple):
    """Mean (D,) and covariance (D, D) of a set of features."""

    mean: Tensor
    covariance: Tensor


def moments(features_ND: Tensor) -> Moments:
    """With N - 1 in the covariance; ValueError for fewer than two rows."""
    if len(features_ND) < 2:
        raise ValueError(f"A covariance needs at least 2 rows of features, but there are {len(features_ND)}.")
    features_ND = features_ND.double()
    return Moments(features_ND.mean(dim=0), torch.cov(features_ND.T))


def frechet_distance(a: Moments, b: Moments) -> Tensor:
    """|m - m'|² + Tr(C + C' - 2 (C^½ C' C^½)^½) -> () fp64, at least 0.  Dowson and Landau 1982, eq. 4; the formula of the FID.

    For finite sets of one distribution it is positive and shrinks as 1/N: its noise floor.  A non-finite result counts as infinite.
    """
    if not all(torch.isfinite(part).all() for part in (*a, *b)):
        return torch.tensor(torch.inf, dtype=torch.float64)
    root = square_root(a.covariance)
    cross = torch.linalg.eigvalsh(root @ b.covariance @ root).clamp(min=0.0).sqrt().sum()  # rounding makes tiny negative ones
    apart = (a.mean - b.mean).square().sum()
    return (apart + a.covariance.trace() + b.covariance.trace() - 2.0 * cross).clamp(min=0.0)


class Chance(NamedTuple):
    """What the Fréchet distance does by chance at one sample size; every value is () fp64.

    `mean`: of as many real ones from the rest, whose true distance is 0: all of it is bias.  `high`: 95 of 100 such sets lie below it.
    `difference`: 95 of 100 pairs of such sets differ by less, when both are held against the same rest.
    """

    mean: Tensor
    high: Tensor
    difference: Tensor


def by_chance(features_PD: Tensor, count: int, repeats: int, generator: torch.Generator) -> Chance:
    """From `repeats` random splits of P real ones into two sets of `count` and a rest; ValueError for fewer than 3 `count` of them.

    The distance of the first set is taken from everything else, that of a pair from what both leave over.  Two models that are not
    close to the data differ by more than `difference` by chance: the spread of a distance grows with the distance.
    """
    rows = len(features_PD)
    if rows < 3 * count:
        raise ValueError(
            f"Two sets of {count} and a rest of as many need {3 * count} rows of features, but there are {rows}; take smaller sets."
        )
    single, pairs = [], []
    for _ in range(repeats):
        order = features_PD[torch.randperm(rows, generator=generator)]
        first, second, rest = (moments(part) for part in (order[:count], order[count : 2 * count], order[2 * count :]))
        single.append(frechet_distance(first, moments(order[count:])))
        pairs.append((frechet_distance(first, rest) - frechet_distance(second, rest)).abs())
    distances = torch.stack(single)
    return Chance(distances.mean(), distances.quantile(0.95), torch.stack(pairs).quantile(0.95))


def square_root(covariance_DD: Tensor) -> Tensor:
    """The symmetric root of a symmetric matrix without negative eigenvalues."""
    value_D, vector_DD = torch.linalg.eigh(covariance_DD)
    return (vector_DD * value_D.clamp(min=0.0).sqrt()) @ vector_DD.T


def kernel_distance(x_ND: Tensor, y_MD: Tensor) -> Tensor:
    """The unbiased squared maximum mean discrepancy with the kernel (x·y / D + 1)³ -> () fp64.

    For two sets of one distribution its mean is 0 whatever N and M, and half of the values are below 0.  Gretton et al. 2012, eq. 3;
    the kernel is that of Binkowski et al. 2018 (arXiv 1801.01401).  A non-finite result counts as infinite.
    """
    x_ND, y_MD = x_ND.double(), y_MD.double()
    N, M = len(x_ND), len(y_MD)
    within_x, within_y = _kernel(x_ND, x_ND), _kernel(y_MD, y_MD)
    value = (within_x.sum() - within_x.trace()) / (N * (N - 1)) + (within_y.sum() - within_y.trace()) / (M * (M - 1))
    value = value - 2.0 * _kernel(x_ND, y_MD).mean()
    return torch.where(torch.isfinite(value), value, torch.inf)


def _kernel(x_ND: Tensor, y_MD: Tensor) -> Tensor:
    return (x_ND @ y_MD.T / x_ND.shape[1] + 1.0) ** 3
