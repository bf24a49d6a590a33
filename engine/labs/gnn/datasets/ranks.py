"""Whether nodes that are farther away, or worse connected, are heard less."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike


def rank_correlation(jacobian_N: ArrayLike, fact_N: ArrayLike) -> float:
    """Spearman's correlation of −log J with a fact about the nodes, over those with J > 0; NaN for fewer than three of them."""
    from scipy.stats import spearmanr

    jacobian, fact = np.asarray(jacobian_N, dtype=float), np.asarray(fact_N, dtype=float)
    heard = jacobian > 0
    pair = [np.round(values, 9) for values in (-np.log(jacobian[heard]), fact[heard])]  # what differs by rounding alone is equal
    if heard.sum() < 3 or any(len(np.unique(values)) < 2 for values in pair):
        return math.nan
    return float(spearmanr(*pair).statistic)
