"""The interval of a share: printed figures, exact coverage, and its edges."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest

from engine.statistics.share import Share, share


@pytest.mark.parametrize(
    ("k", "n", "low", "high"), [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0, 0.1611), (1, 29, 0.0061, 0.1718)]
)
def test_four_shares_have_the_interval_that_newcombe_prints(k: int, n: int, low: float, high: float) -> None:
    result = share(k, n)
    assert (round(result.low or 0, 4), round(result.high or 0, 4)) == (low, high)


@pytest.mark.parametrize(("n", "mean", "least"), [(5, 0.9552, 0.832), (8, 0.9544, 0.834), (16, 0.9533, 0.836)])
def test_coverage_is_that_of_the_docstring(n: int, mean: float, least: float) -> None:
    p = np.linspace(0, 1, 4001)[1:-1]
    held = np.zeros_like(p)
    for k in range(n + 1):
        ends = share(k, n)
        held += ((ends.low <= p) & (p <= ends.high)) * comb(n, k) * p**k * (1 - p) ** (n - k)
    assert held.mean() == pytest.approx(mean, abs=5e-4)
    assert held.min() == pytest.approx(least, abs=2e-3)


def test_a_share_stays_between_none_and_all_and_mirrors() -> None:
    assert share(0, 0) == Share(0, 0, None, None)
    for n in range(1, 33):
        assert (share(0, n).low, share(n, n).high) == (0.0, 1.0)
        for k in range(n + 1):
            assert share(k, n).low == pytest.approx(1 - share(n - k, n).high, abs=1e-12)
    with pytest.raises(ValueError, match="5 of 4 runs is no share"):
        share(5, 4)
