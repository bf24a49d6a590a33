"""The exact sign test of pairs: it needs an order only, so it holds where a diverged run has no number."""

from __future__ import annotations

from math import comb


def sign_test(above: int, below: int) -> float:
    """Two-sided p of `above` pairs in which the first is larger against `below` in which the second is; equal pairs are left out.

    Twice the smaller tail of a fair coin, at most 1 (Dixon and Mood, Journal of the American Statistical Association 41, 1946, 557).
    """
    n = above + below
    return min(1.0, 2 * sum(comb(n, k) for k in range(min(above, below) + 1)) / 2**n)
