"""Two arms compared pair by pair: what may be said depends on how many pairs there are and on whether all of them are finite.

pairs  finite pairs only                                        with a diverged run
1-4    the differences                                          how often one was better
5      the 90 % interval of the mean                            the same, p of the sign test
6-     with p < 0.05 after Holm's correction: the direction     with p < 0.05 after Holm's correction: the direction
10-    the BCa bootstrap beside it                              the same

A diverged run is worse than any finite one, and two diverged runs are equal; with any of them no mean is formed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from engine.statistics.bootstrap import bootstrap_mean
from engine.statistics.matching import Values, matched
from engine.statistics.sign_flip_interval import FEWEST, sign_flip_interval
from engine.statistics.sign_test import sign_test

DIRECTION = 6  # pairs, from which on p can be below LEVEL
LEVEL = 0.05

Better = Literal["lower", "higher"]
Test = Literal["none", "sign flip", "sign test"]
Verdict = Literal["lower", "higher", "undecided", "too few seeds"]


@dataclass(frozen=True)
class Difference:
    """First minus second arm.  `differences`: one a pair, in ascending order of the seeds; ± infinity where one run diverged, NaN where
    both did.
    `diverged`: pairs of which only the first, only the second, both diverged.  `alone`: runs of either arm without a partner.
    `mean` and the two intervals are None where there are too few pairs or one diverged.  `p`: two-sided, uncorrected; `corrected`: by Holm,
    for all arms compared in this metric.  `exact`: p is no estimate by random sign patterns."""

    first: str
    second: str
    better: Better
    differences: tuple[float, ...]
    diverged: tuple[int, int, int]
    alone: tuple[int, int]
    mean: float | None
    low: float | None
    high: float | None
    bootstrap: tuple[float, float] | None
    test: Test
    p: float | None
    corrected: float | None
    exact: bool

    @property
    def n(self) -> int:
        return len(self.differences)

    @property
    def steps(self) -> tuple[float, ...]:
        """The differences with 0 where both runs diverged: two diverged runs are equal."""
        return tuple(0.0 if math.isnan(d) else d for d in self.differences)

    @property
    def signs(self) -> tuple[int, int, int]:
        """Pairs in which the first arm is lower, equal, higher."""
        lower, higher = (sum(side * d > 0 for d in self.differences) for side in (-1, 1))
        return lower, self.n - lower - higher, higher

    @property
    def verdict(self) -> Verdict:
        """Where the first arm lies, as far as these pairs tell."""
        if self.n < DIRECTION:
            return "too few seeds"
        lower, _, higher = self.signs
        side = self.mean if self.mean is not None else higher - lower
        if self.corrected is None or self.corrected >= LEVEL or not side:
            return "undecided"
        return "higher" if side > 0 else "lower"

    def json(self) -> dict[str, Any]:
        """First and second arm as a and b; `difference` is the mean; null where there are too few pairs or, as a run diverged, no mean."""
        interval = None if self.low is None else [self.low, self.high]
        ends = {"n": self.n, "difference": self.mean, "interval": interval, "p": self.corrected, "verdict": self.verdict}
        return {"a": self.first, "b": self.second} | ends


def difference(first: tuple[str, Values], second: tuple[str, Values], better: Better = "lower") -> Difference:
    """Two arms compared, each a name and its values by (seed, data_seed); `corrected` is p until several are corrected together."""
    pairs = matched(first[1], second[1])
    worst = math.inf if better == "lower" else -math.inf
    sides = [[v if math.isfinite(v) else worst for v in side] for side in (pairs.first, pairs.second)]
    steps = tuple(a - b for a, b in zip(*sides, strict=True))  # the difference of two infinities is NaN
    basis = Difference(
        *(first[0], second[0], better, steps, pairs.diverged, pairs.alone),
        *(None, None, None, None),
        *("none", None, None, True),
    )
    if any(pairs.diverged):
        if len(steps) < FEWEST:
            return basis
        lower, _, higher = basis.signs
        p = sign_test(higher, lower)
        return replace(basis, test="sign test", p=p, corrected=p)
    if not steps:
        return basis
    d = np.array(steps)
    mean = float(d.mean())
    if len(d) < FEWEST:
        return replace(basis, mean=mean)
    flip = sign_flip_interval(d)
    ends = {"low": flip.low, "high": flip.high, "bootstrap": bootstrap_mean(d)}
    return replace(basis, mean=mean, **ends, test="sign flip", p=flip.p, corrected=flip.p, exact=flip.exact)
