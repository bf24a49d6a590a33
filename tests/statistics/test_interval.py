"""The prediction interval of one more run: against the textbook formula, by simulation, and at its edges."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.statistics.interval import Band, Kind, band, counted

EIGHT = [1.2, 3.4, 2.2, 0.9, 4.8, 2.9, 1.7, 2.4]


def by_hand(x: list[float], t: float) -> tuple[float, float]:
    mean = math.fsum(x) / len(x)
    s = math.sqrt(math.fsum((v - mean) ** 2 for v in x) / (len(x) - 1))
    half = t * s * math.sqrt(1 + 1 / len(x))
    return mean - half, mean + half


def test_eight_values_have_the_interval_of_the_textbook() -> None:
    low, high = by_hand([math.log(v) for v in EIGHT], 1.894578605)  # t of 7 degrees of freedom at 95 %, from a printed table
    found = band(EIGHT)
    assert (found.n, found.of, found.scale) == (8, 8, "log")
    assert found.median == pytest.approx(2.3)
    assert (found.low, found.high) == (pytest.approx(math.exp(low), rel=1e-8), pytest.approx(math.exp(high), rel=1e-8))
    below_zero = [v - 3 for v in EIGHT]
    low, high = by_hand(below_zero, 1.894578605)
    assert (band(below_zero).low, band(below_zero).high) == (pytest.approx(low, rel=1e-8), pytest.approx(high, rel=1e-8))


@pytest.mark.parametrize("scale", ["log", "linear", "logit"])
def test_nine_of_ten_new_runs_lie_inside_and_of_a_range_of_three_half(scale: str) -> None:
    random = np.random.default_rng(7)
    draw = {
        "log": lambda n: np.exp(random.normal(2.0, 1.5, n)),
        "linear": lambda n: random.normal(-1.0, 2.0, n),
        "logit": lambda n: random.binomial(32, 1 / (1 + np.exp(-random.normal(0.0, 0.7, n)))).astype(float),
    }[scale]
    kind = Kind(of=32) if scale == "logit" else Kind()
    inside = three = 0
    for _ in range(2000):
        *eight, new = draw(9).tolist()
        inside += bool(band(eight, kind).holds(new))
        three += min(eight[:3]) <= new <= max(eight[:3])
    assert 0.885 <= inside / 2000 <= 0.96, "counts are rounded outwards, so a little more than 0.9"
    if scale != "logit":
        assert inside / 2000 <= 0.915
        assert abs(three / 2000 - 0.5) < 0.04


def test_counts_stay_between_none_and_all_and_are_rounded_outwards() -> None:
    found = band([0.0, 0.0, 1.0, 0.0, 2.0, 0.0, 0.0, 1.0], Kind(of=32))
    assert (found.low, found.scale) == (0, "logit")
    assert found.high == int(found.high) >= 2
    shares = band([1.0, 1.0, 0.875, 1.0, 1.0, 0.75, 1.0, 1.0], Kind(of=8, share=True))
    assert shares.high == 1.0
    assert (shares.low * 8) == int(shares.low * 8) <= 6
    steps = band([30.0, 50.0, 50.0, 70.0, 50.0, 30.0, 50.0, 50.0], Kind(whole=True))
    assert (steps.low, steps.high) == (math.floor(steps.low), math.ceil(steps.high))
    assert band([0.0, 0.0, 0.5, 0.1, 0.2, 0.1, 0.0, 0.1], Kind(low=0.0)).low == 0.0
    with pytest.raises(ValueError, match="no k of 8"):
        band([0.1, 0.2, 0.3, 0.4, 0.5], Kind(of=8, share=True))


def test_a_share_of_examples_tells_by_itself_of_how_many() -> None:
    fifths = [float(np.float32(k / 5)) for k in (2, 1, 1, 1, 1, 1, 1, 1)]  # as float32 stores them
    assert counted(fifths) == 5
    assert counted([0.0, 1.0]) == 1
    assert counted([1 / 3, 0.5]) == 6
    assert counted([0.123456789, 0.987654321, 0.5555511, 0.31415926, 0.27182818]) == 0
    assert counted([-0.2, 0.4]) == counted([0.2, 1.4]) == counted([]) == 0
    found, named = band(fifths, Kind(share=True)), band([round(v * 5) / 5 for v in fifths], Kind(of=5, share=True))
    assert (found.low, found.high, found.scale) == (named.low, named.high, "logit")
    assert (found.low, found.high) == (0.0, 0.4), "a band of any number would end at 0.357, below a run that is recorded"
    no_count = [0.123456789, 0.987654321, 0.5555511, 0.31415926, 0.27182818]
    assert band(no_count, Kind(share=True, low=0.0, high=1.0)) == band(no_count, Kind(low=0.0, high=1.0))


def test_what_is_not_finite_is_counted_and_not_averaged() -> None:
    found = band([*EIGHT[:5], math.nan, None, math.inf])
    assert (found.n, found.of, found.scale) == (5, 8, "log")
    assert (found.low, found.high) == (band(EIGHT[:5]).low, band(EIGHT[:5]).high)
    four = band([*EIGHT[:4], math.nan])
    assert (four.n, four.low, four.high) == (4, None, None)
    assert four.holds(1.0) is None
    assert band([math.nan] * 8) == Band(0, 8, None, None, None, "none")
    assert band(EIGHT).holds(math.nan) is False


def test_runs_that_all_agree_have_an_interval_of_no_width() -> None:
    assert band([0.0] * 8) == Band(8, 8, 0.0, 0.0, 0.0, "equal")
    assert band([3.0] * 4).low is None


@given(st.lists(st.floats(-1e6, 1e6), min_size=5, max_size=12))
def test_the_interval_is_ordered_and_survives_json(values: list[float]) -> None:
    found = band(values)
    assert found.low is not None
    assert found.high is not None
    assert found.low <= found.high
    assert Band.read(json.loads(json.dumps(found.json(), allow_nan=False))) == found
