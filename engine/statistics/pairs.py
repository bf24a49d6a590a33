"""Two presets run with the same seeds, compared seed by seed: ratio or difference, its band, and an exact test of its direction."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import product
from typing import Any, Literal

import numpy as np

from engine.core.nonfinite import jsonable, number
from engine.statistics.interval import band

FEWEST = 6  # pairs, for a statement about direction: with five the smallest possible p is 1/16
LEVEL = 0.05
LARGEST = 20  # pairs of an exact test: 2^20 signs


@dataclass(frozen=True)
class Pair:
    """`n` seeds with a finite value on both sides; `median`, `low`, `high` of ratio or difference; on `k` of n it lies on the side
    of its median; `p`: two-sided, exact, of the sign flips of log ratio or difference (None for n = 0)."""

    kind: Literal["ratio", "difference"]
    n: int
    median: float | None
    low: float | None
    high: float | None
    k: int
    p: float | None

    @property
    def direction(self) -> int:
        """1 when the first preset is larger, -1 when it is smaller, 0 when these runs do not tell."""
        if self.n < FEWEST or self.p is None or self.p > LEVEL or self.median is None:
            return 0
        return 1 if self.median > (1.0 if self.kind == "ratio" else 0.0) else -1

    def json(self) -> dict[str, Any]:
        return {name: jsonable(value) for name, value in asdict(self).items()}

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> Pair:
        """The inverse of `json`."""
        numbers = {name: number(stored[name]) for name in ("median", "low", "high", "p")}
        return cls(kind=stored["kind"], n=int(stored["n"]), k=int(stored["k"]), **numbers)


def pair(first: Mapping[int, float | None], second: Mapping[int, float | None]) -> Pair:
    """Seed -> value of two presets -> their comparison over the seeds that both have with a finite value."""
    both = [(a, b) for seed, a in first.items() if _finite(a) and _finite(b := second.get(seed))]
    ratio = bool(both) and all(a > 0 and b > 0 for a, b in both)
    values = [a / b if ratio else a - b for a, b in both]
    steps = np.array([math.log(v) if ratio else v for v in values])
    found = band(values)
    side = np.sign(np.median(steps)) if len(steps) else 0
    return Pair(
        kind="ratio" if ratio else "difference",
        n=len(values),
        median=found.median,
        low=found.low,
        high=found.high,
        k=int(np.sum(np.sign(steps) == side)) if side else 0,
        p=sign_flip(steps) if len(steps) else None,
    )


def sign_flip(differences: np.ndarray) -> float:
    """Two-sided p of paired differences d_1 … d_n: the share of the 2^n sign patterns whose |sum| is at least as large as the one seen.

    Exact (Fisher, The Design of Experiments, 1935, section 21).  ValueError above 20 pairs.
    """
    n = len(differences)
    if n > LARGEST:
        raise ValueError(f"{n} pairs were given; the exact test takes at most {LARGEST}.")
    seen = abs(float(np.sum(differences)))
    signs = np.array(list(product((-1.0, 1.0), repeat=n)))
    sums = np.abs(signs @ np.asarray(differences, np.float64))
    slack = 1e-12 * float(np.sum(np.abs(differences)))
    return float(np.mean(sums >= seen - slack))


def _finite(value: float | None) -> bool:
    return value is not None and math.isfinite(value)
