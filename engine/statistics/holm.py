"""Holm's correction: p of several comparisons, so that of sets of arms that do not differ at most 5 % claim a difference, in one metric."""

from __future__ import annotations

from collections.abc import Sequence


def holm(ps: Sequence[float | None]) -> list[float | None]:
    """Corrected p in the order given; None (a comparison without a p) stays None and is counted as a comparison.

    Step-down: the i-th smallest of m is multiplied by m - i + 1, never below the one before it, at most 1 (Holm, Scandinavian Journal of
    Statistics 6, 1979, 65).
    """
    corrected: list[float | None] = [None] * len(ps)
    largest = 0.0
    for rank, (p, place) in enumerate(sorted((p, i) for i, p in enumerate(ps) if p is not None)):
        largest = max(largest, min(1.0, p * (len(ps) - rank)))
        corrected[place] = largest
    return corrected
