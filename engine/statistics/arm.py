"""One arm, runs that differ in their seeds only: what may be drawn of their last values and of their curves.

Under BAND runs the lines themselves, their median and smallest to largest, called "range of n"; from BAND runs on the median and the 90 %
prediction interval of one more run.  A run that diverged is counted and left out of both; the interval then speaks of runs that do not.

Coverage in 200,000 simulations of 8 and 16 runs: normal 90.0 % and 90.0 %, lognormal 90.0 % and 89.9 %.  Shortfall: t with 3 degrees of
freedom 88.7 % for 8 runs (89.9 % for 16), as such values are normal neither as they are nor by their logarithm.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from scipy.special import stdtrit

from engine.statistics import interval
from engine.statistics.interval import COVERAGE, Kind
from engine.statistics.share import Share, share

BAND = 8  # runs with a value, finite or not, from which on there is a prediction interval

PLAIN = Kind()

Form = Literal["none", "value", "range", "band"]


@dataclass(frozen=True)
class Arm:
    """`finite`: runs with a finite value; `diverged`: the others of those that have one, with their share; `without`: runs that have none
    (yet).  `low` to `high` is what `form` says; both are None for "none" (no finite value) and "value" (one)."""

    name: str
    finite: int
    without: int
    diverged: Share
    median: float | None
    low: float | None
    high: float | None
    form: Form

    def json(self) -> dict[str, Any]:
        """`n`: runs with a value, diverged ones included; `band` is null where there are too few runs for a prediction interval."""
        band = [self.low, self.high] if self.form == "band" else None
        return {"arm": self.name, "n": self.diverged.n, "median": self.median, "band": band, "diverged": self.diverged.json()}


@dataclass(frozen=True)
class Curve:
    """S steps: `median_S`, `low_S`, `high_S`, NaN where there is none; `finite_S`: how many runs are finite at the step."""

    median_S: np.ndarray
    low_S: np.ndarray
    high_S: np.ndarray
    finite_S: np.ndarray
    form: Form


def arm(name: str, values: Iterable[float | None], kind: Kind = PLAIN) -> Arm:
    """The last values of an arm's runs; not finite: the run diverged; None: it has no value (yet)."""
    listed = list(values)
    given = [v for v in listed if v is not None]
    kept = [v for v in given if math.isfinite(v)]
    counted = share(len(given) - len(kept), len(given))
    middle = float(np.median(kept)) if kept else None
    form, low, high = _form(len(given), len(kept)), None, None
    if form == "band":
        band = interval.band(kept, kind)
        low, high = band.low, band.high
    elif form == "range":
        low, high = min(kept), max(kept)
    return Arm(name, len(kept), len(listed) - len(given), counted, middle, low, high, form)


def curve(values_NS: np.ndarray, kind: Kind = PLAIN) -> Curve:
    """N runs at the same S steps; not finite where a run has diverged or has no value.

    The form goes by N, so that a curve does not change it on the way; a band needs `interval.FEWEST` finite runs at its step.  The scale is
    one for the whole curve.
    """
    values = np.asarray(values_NS, np.float64)
    good = np.isfinite(values)
    finite_S = good.sum(axis=0)
    empty = np.full(values.shape[1], math.nan)
    form = _form(len(values), int(finite_S.max(initial=0)))
    median_S = _where(finite_S > 0, empty, np.nanmedian, values, good)
    if form == "band":
        low_S, high_S = _counted_band(values, kind) if kind.of or kind.whole else _plain_band(values, good, finite_S, kind)
    elif form == "range":
        low_S, high_S = (_where(finite_S > 0, empty, end, values, good) for end in (np.nanmin, np.nanmax))
    else:
        low_S, high_S = empty, empty
    return Curve(median_S, low_S, high_S, finite_S, form)


def _form(runs: int, finite: int) -> Form:
    if finite < 2:
        return "value" if finite else "none"
    return "band" if runs >= BAND and finite >= interval.FEWEST else "range"


def _where(some_S: np.ndarray, empty_S: np.ndarray, reduce: Any, values_NS: np.ndarray, good_NS: np.ndarray) -> np.ndarray:
    """One number a step of the runs that are finite there; `empty_S` where none is."""
    result = empty_S.copy()
    if some_S.any():
        result[some_S] = reduce(np.where(good_NS, values_NS, math.nan)[:, some_S], axis=0)
    return result


def _counted_band(values_NS: np.ndarray, kind: Kind) -> tuple[np.ndarray, np.ndarray]:
    bands = [interval.band(column.tolist(), kind) for column in values_NS.T]
    ends: Sequence[list[float | None]] = ([b.low for b in bands], [b.high for b in bands])
    return tuple(np.array([math.nan if v is None else v for v in end]) for end in ends)  # type: ignore[return-value]


def _plain_band(values_NS: np.ndarray, good_NS: np.ndarray, finite_S: np.ndarray, kind: Kind) -> tuple[np.ndarray, np.ndarray]:
    """`interval.band` for all steps at once, by the logarithm where every value of the curve is positive."""
    log = bool(np.all(values_NS[good_NS] > 0))
    x_NS = np.log(np.where(good_NS, values_NS, 1.0)) if log else np.where(good_NS, values_NS, 0.0)
    n_S = np.where(finite_S >= interval.FEWEST, finite_S, math.nan)
    mean_S = np.sum(x_NS, axis=0, where=good_NS) / n_S
    spread_S = np.sqrt(np.sum((x_NS - mean_S) ** 2, axis=0, where=good_NS) / (n_S - 1))
    half_S = stdtrit(n_S - 1, 0.5 + COVERAGE / 2) * spread_S * np.sqrt(1.0 + 1.0 / n_S)
    ends = (mean_S - half_S, mean_S + half_S)
    low_S, high_S = (np.exp(np.minimum(end, 709.0)) if log else end for end in ends)
    return np.maximum(low_S, kind.low), np.minimum(high_S, kind.high)
