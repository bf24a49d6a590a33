"""Counts of independent tokens: the binomial distribution, exactly, at any number of tokens that a panel allows.

Only numpy: a fork of the fork server has it already, and scipy would cost more than the panel.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

REACH = 12.0  # standard deviations around the mean beyond which a probability is below 1e-30


def log_factorials(n: int) -> NDArray[np.float64]:
    """ln 0!, ln 1!, …, ln n!  -> (n + 1,)."""
    return np.concatenate(([0.0], np.cumsum(np.log(np.arange(1, n + 1)))))


def binomial(n: int, p: float, log_factorial: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Every count of `n` tokens, each there with probability `p`, that can be met -> (counts, their probabilities, summing to 1)."""
    if p <= 0.0 or p >= 1.0:
        return np.array([0 if p <= 0.0 else n]), np.array([1.0])
    spread = REACH * np.sqrt(n * p * (1.0 - p)) + REACH
    low, high = max(0, int(n * p - spread)), min(n, int(n * p + spread) + 1)
    counts = np.arange(low, high + 1)
    log_ways = log_factorial[n] - log_factorial[counts] - log_factorial[n - counts]
    chance = np.exp(log_ways + counts * np.log(p) + (n - counts) * np.log1p(-p))
    return counts, chance / chance.sum()
