"""The noise floor of a comparison: how far two runs of the same arm lie apart when only their seeds differ."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from engine.statistics.interval import COVERAGE

FEWEST = 5  # runs


@dataclass(frozen=True)
class Floor:
    """`single`: 90 % of differences of two fresh runs lie within ± this; None where it is not measured.  `n`: runs of the baseline with
    a value, `diverged`: how many of them are not finite."""

    n: int
    diverged: int
    single: float | None

    def of_mean(self, pairs: int) -> float | None:
        """The floor of the mean of so many pairs."""
        return None if self.single is None or pairs < 1 else self.single / math.sqrt(pairs)


def noise_floor(baseline: Iterable[float | None]) -> Floor:
    """t(n-1, 95 %) · s · sqrt(2), with s the standard deviation of n runs of the baseline: 90 % for values that are about normal.

    Not measured under FEWEST runs, nor where one diverged: the difference to a diverged run is no number.

    Coverage in 200,000 simulations of 5, 8 and 16 runs, of one difference and of a mean of as many pairs: normal 90 %.  Shortfall:
    lognormal (sigma 1) 83, 85, 87 % and 76, 77, 79 %; t with 3 degrees of freedom 87, 87, 89 % and 84, 84, 85 %.
    """
    values = np.array([v for v in baseline if v is not None], np.float64)
    n, diverged = len(values), int(np.sum(~np.isfinite(values)))
    if n < FEWEST or diverged:
        return Floor(n, diverged, None)
    return Floor(n, 0, float(stdtrit(n - 1, 0.5 + COVERAGE / 2)) * float(values.std(ddof=1)) * math.sqrt(2.0))
