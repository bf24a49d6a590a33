"""The 90 % prediction interval of one more run, from n runs that differ in their seed only.

On a scale where the values are about normal the next one lies in  mean ± t(n-1, 95 %) · s · sqrt(1 + 1/n)  with a probability of
90 % (for n = 8: ± 2.01 standard deviations).  Smallest to largest of n runs, the usual range, holds the next one with a probability
of (n-1)/(n+1) only.  Source: Hahn and Meeker, Statistical Intervals (1991), section 4.7.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np
from scipy.special import stdtrit

from engine.core.nonfinite import jsonable, number

COVERAGE = 0.9
FEWEST = 5  # runs with a finite value, for an interval
TOLERANCE = 1e-6  # of a share from the nearest k of m
LARGEST_COUNT = 1000  # m that values may tell by themselves

Scale = Literal["log", "logit", "linear", "equal", "none"]


@dataclass(frozen=True)
class Kind:
    """What a number can be.  `of`: m of a count k of m (0: it is none); `share`: the value is k/m instead of k, and where `of` is 0
    the values tell m (`counted`); `whole`: it counts something, so the interval is rounded outwards; `low` and `high` bound it."""

    of: int = 0
    share: bool = False
    whole: bool = False
    low: float = -math.inf
    high: float = math.inf


@dataclass(frozen=True)
class Band:
    """Median and prediction interval.  `n`: runs with a finite value; `of`: runs in all; `low` and `high` are None where n is too
    small for an interval, `median` is None where no value is finite."""

    n: int
    of: int
    median: float | None
    low: float | None
    high: float | None
    scale: Scale

    def json(self) -> dict[str, Any]:
        return {name: jsonable(value) for name, value in asdict(self).items()}

    @classmethod
    def read(cls, stored: dict[str, Any]) -> Band:
        """The inverse of `json`."""
        ends = {name: number(stored[name]) for name in ("median", "low", "high")}
        return cls(n=int(stored["n"]), of=int(stored["of"]), scale=stored["scale"], **ends)

    def holds(self, value: float) -> bool | None:
        """Whether one more run's value lies inside; None where there is no interval.  What is not finite lies outside."""
        if self.low is None or self.high is None:
            return None
        return self.low <= value <= self.high


def band(values: Sequence[float | None], kind: Kind = Kind()) -> Band:
    """The band of n values; None and what is not finite is counted, not averaged.

    Positive values go by their logarithm, counts k of m by the logit of (k+1/2)/(m+1), others as they are.
    ValueError, in one sentence, for a share that is no k of m.
    """
    kept = np.array([v for v in values if v is not None and math.isfinite(v)], np.float64)
    n, of = len(kept), len(values)
    if not n:
        return Band(0, of, None, None, None, "none")
    middle = float(np.median(kept))
    if kept.min() == kept.max() and n >= FEWEST:
        return Band(n, of, middle, middle, middle, "equal")
    if n < FEWEST:
        return Band(n, of, middle, None, None, "none")
    if kind.share and not kind.of:
        kind = replace(kind, of=counted(kept.tolist()))
    scale, there, back = _scale(kept, kind)
    x = there(kept)
    half = float(stdtrit(n - 1, 0.5 + COVERAGE / 2)) * float(x.std(ddof=1)) * math.sqrt(1.0 + 1.0 / n)
    low, high = (float(back(np.float64(x.mean() + side * half))) for side in (-1, 1))
    if kind.of:
        low, high = max(0.0, low), min(float(kind.of), high)
    if kind.whole or kind.of:
        low, high = math.floor(low + TOLERANCE), math.ceil(high - TOLERANCE)
    if kind.share and kind.of:
        low, high = low / kind.of, high / kind.of
    return Band(n, of, middle, max(kind.low, float(low)), min(kind.high, float(high)), scale)


def counted(shares: Sequence[float]) -> int:
    """The smallest m up to 1,000 of which every value is a k/m; 0 where there is none.

    Five examples answered rightly or wrongly give fifths: of 0.2, 0.4 and 1.0 that is 5.
    """
    values = np.asarray(shares, np.float64)
    if not len(values) or values.min() < 0 or values.max() > 1 + TOLERANCE:
        return 0
    for m in range(1, LARGEST_COUNT + 1):
        if np.all(np.abs(values * m - np.round(values * m)) <= TOLERANCE * m):
            return m
    return 0


def _scale(kept: np.ndarray, kind: Kind) -> tuple[Scale, Any, Any]:
    """The name of the scale, the way onto it and the way back (for k of m: back to k)."""
    if kind.of:
        m = kind.of
        unit = m if kind.share else 1
        counts = kept * unit
        if np.any(np.abs(counts - np.round(counts)) > TOLERANCE * m) or counts.min() < 0 or counts.max() > m:
            raise ValueError(f"{kept.tolist()} holds a value that is no k of {m}; the metric declares that it counts out of {m}.")
        return "logit", lambda v: _logit((v * unit + 0.5) / (m + 1)), lambda x: _logistic(x) * (m + 1) - 0.5
    if kept.min() > 0:
        return "log", np.log, lambda x: np.exp(np.minimum(x, 709.0))
    return "linear", lambda v: v, lambda x: x


def _logit(p: np.ndarray) -> np.ndarray:
    return np.log(p) - np.log1p(-p)


def _logistic(x: np.ndarray) -> np.ndarray:
    return 1.0 / (1.0 + np.exp(-x))
