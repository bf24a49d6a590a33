"""Pairs of two arms: who is paired, what a diverged run counts, when a direction may be named, and the corrections."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from scipy.stats import binomtest

from engine.statistics.comparison import compare
from engine.statistics.difference import difference
from engine.statistics.holm import holm
from engine.statistics.matching import Values, matched
from engine.statistics.noise_floor import Floor, noise_floor
from engine.statistics.sign_test import sign_test


def by_seed(*values: float | None) -> Values:
    return {(seed, 0): value for seed, value in enumerate(values)}


def test_runs_are_paired_by_seed_and_data_order_and_the_others_are_counted() -> None:
    first = {(2, 0): 3.0, (0, 0): 1.0, (0, 1): 2.0, (5, 0): None, (6, 0): 1.0}
    second = {(0, 1): 20.0, (0, 0): 10.0, (2, 1): 30.0, (5, 0): 1.0, (6, 0): None}
    pairs = matched(first, second)
    assert (pairs.keys, pairs.first, pairs.second) == (((0, 0), (0, 1)), (1.0, 2.0), (10.0, 20.0))
    assert pairs.alone == (2, 2), "a run without a value is no partner and is not counted"


def test_a_diverged_run_is_worse_than_any_and_two_are_equal() -> None:
    values = by_seed(1, math.nan, math.inf, 4, 5, 6, 7), by_seed(2, 3, math.nan, -math.inf, 5, 7, 8)
    for better, signs, infinite in (("lower", (4, 2, 1), math.inf), ("higher", (4, 2, 1), -math.inf)):
        result = difference(("a", values[0]), ("b", values[1]), better)  # type: ignore[arg-type]
        assert result.diverged == (1, 1, 1)
        assert result.signs == signs
        assert result.differences[1] == infinite
        assert math.isnan(result.differences[2])
        assert (result.mean, result.low, result.bootstrap, result.test) == (None, None, None, "sign test")
        assert result.p == sign_test(4, 1)
        json.dumps(result.json(), allow_nan=False)


def test_the_sign_test_is_that_of_a_fair_coin() -> None:
    for above in range(8):
        for below in range(8):
            assert sign_test(above, below) == pytest.approx(binomtest(above, above + below).pvalue if above + below else 1.0)


def test_holm_gives_the_corrected_p_of_its_steps() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.04, None]) == [0.08, None]
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


@pytest.mark.parametrize("n", [1, 4, 5, 6, 9, 10, 16, 17])
def test_what_is_given_depends_on_the_number_of_pairs(n: int) -> None:
    random = np.random.default_rng(n)
    base = random.normal(2, 0.3, n)
    result = difference(("a", by_seed(*(base - 1 - 0.1 * random.random(n)))), ("b", by_seed(*base)))
    assert (result.low is not None, result.p is not None, result.bootstrap is not None, result.exact) == (n >= 5, n >= 5, n >= 10, n <= 16)
    assert result.verdict == ("too few seeds" if n < 6 else "lower")


def test_a_direction_is_named_only_after_the_correction_for_all_arms() -> None:
    base = by_seed(*[1.0 + 0.01 * s for s in range(6)])
    below = {key: (value or 0) - 0.5 - 0.01 * key[0] for key, value in base.items()}
    assert compare("loss", {"b": base, "a": below}, "b").differences[0].verdict == "lower"
    three = compare("loss", {"b": base, "a": below, "c": base}, "b")
    assert [d.verdict for d in three.differences] == ["undecided", "undecided"], "2 · 1/32 is above 0.05"
    assert [looks.needed for looks in three.looks] == [40.0, 40.0]
    with pytest.raises(ValueError, match=r"baseline is 'x'; it must be one of the arms: b, a"):
        compare("loss", {"b": base, "a": below}, "x")


def test_the_direction_is_that_of_the_mean_which_the_test_is_about() -> None:
    result = difference(("a", by_seed(*[-10.0] * 6, *[0.1] * 7)), ("b", by_seed(*[0.0] * 13)))
    assert (result.signs, result.verdict) == ((6, 0, 7), "lower")
    assert result.p is not None
    assert result.p < 0.05


def test_the_noise_floor_is_that_of_two_fresh_runs_of_the_baseline() -> None:
    five = [1.0, 2.0, 3.0, 4.0, 5.0]
    floor = noise_floor([*five, None])
    assert floor.single == pytest.approx(2.131846786 * math.sqrt(2.5) * math.sqrt(2))  # t of 4 degrees of freedom at 95 %, a printed table
    assert floor.of_mean(4) == pytest.approx(floor.single / 2)
    assert noise_floor(five[:4]) == Floor(4, 0, None)
    assert noise_floor([*five, math.nan]) == Floor(6, 1, None)
    assert noise_floor([]).of_mean(3) is None
