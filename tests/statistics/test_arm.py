"""Values and curves of one arm: range under eight runs, the prediction band from eight on, diverged runs counted apart."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from engine.statistics.arm import arm, curve
from engine.statistics.interval import Kind, band

VALUES = [1.2, 3.4, 2.2, 0.9, 4.8, 2.9, 1.7, 2.4, 2.0]


@pytest.mark.parametrize("n", range(10))
def test_the_form_goes_by_the_number_of_runs(n: int) -> None:
    result = arm("a", VALUES[:n])
    assert result.form == ("none" if n == 0 else "value" if n == 1 else "range" if n < 8 else "band")
    if result.form == "range":
        assert (result.low, result.high) == (min(VALUES[:n]), max(VALUES[:n]))
    if result.form == "band":
        same = band(VALUES[:n])
        assert (result.median, result.low, result.high) == (same.median, same.low, same.high)
    json.dumps(result.json(), allow_nan=False)


def test_diverged_runs_are_counted_and_the_others_averaged() -> None:
    result = arm("a", [*VALUES[:6], math.nan, math.inf, None])
    assert (result.finite, result.diverged.k, result.diverged.n, result.without, result.form) == (6, 2, 8, 1, "band")
    assert result.low == band(VALUES[:6]).low
    few = arm("a", [*VALUES[:4], *[math.nan] * 4])
    assert (few.form, few.low, few.high) == ("range", 0.9, 3.4), "four finite runs have no interval"
    assert (arm("a", [math.nan] * 9).form, arm("a", [math.nan, 1.0]).form) == ("none", "value")


@pytest.mark.parametrize("kind", [Kind(), Kind(low=0.5), Kind(of=32), Kind(whole=True)])
def test_a_curve_has_at_every_step_the_band_of_its_values(kind: Kind) -> None:
    values_NS = np.random.default_rng(0).integers(1, 30, (9, 6)).astype(float)
    values_NS[:, 2] = 7.0
    values_NS[:3, 4] = math.nan
    result = curve(values_NS, kind)
    for s in range(6):
        same = band(values_NS[:, s].tolist(), kind)
        assert result.median_S[s] == same.median
        assert (result.low_S[s], result.high_S[s]) == (pytest.approx(same.low, rel=1e-12), pytest.approx(same.high, rel=1e-12))
    assert result.finite_S.tolist() == [9, 9, 9, 9, 6, 9]


def test_a_curve_keeps_its_form_and_scale_to_the_end() -> None:
    values_NS = np.abs(np.random.default_rng(1).normal(1, 0.1, (8, 5)))
    values_NS[:4, 3] = math.nan
    values_NS[:, 4] = math.inf
    result = curve(values_NS)
    assert result.form == "band"
    assert np.isfinite(result.low_S).tolist() == [True, True, True, False, False], "no band of four runs, and no range in its stead"
    assert np.isfinite(result.median_S).tolist() == [True, True, True, True, False]
    assert (curve(values_NS[:7]).form, curve(values_NS[:7]).low_S[0]) == ("range", values_NS[:7, 0].min())
    values_NS[0, 0] = -1.0
    assert curve(values_NS).low_S[1] == pytest.approx(band((values_NS[:, 1] - 5).tolist()).low + 5), "one value below 0: linear everywhere"
    assert curve(np.empty((0, 3))).form == "none"
