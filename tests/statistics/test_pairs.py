"""Paired comparisons: the exact sign-flip test against its closed cases, and what may be said of a direction."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from engine.statistics.pairs import Pair, pair, sign_flip


def test_the_smallest_p_is_two_of_all_sign_patterns() -> None:
    for n in range(1, 11):
        assert sign_flip(np.arange(1.0, n + 1)) == pytest.approx(2 / 2**n)


def test_ties_and_zeros_are_counted_exactly() -> None:
    assert sign_flip(np.array([1.0, -1.0])) == 1.0
    assert sign_flip(np.zeros(5)) == 1.0
    assert sign_flip(np.array([1.0, 1.0, 1.0, -1.0])) == pytest.approx(10 / 16)  # |sum| >= 2: all but the 6 patterns with sum 0
    assert sign_flip(np.array([0.1, 0.2, 0.3])) == sign_flip(np.array([10.0, 20.0, 30.0])), "rounding decides nothing"


def test_under_no_difference_the_test_rejects_no_more_often_than_it_says() -> None:
    random = np.random.default_rng(3)
    rejected = sum(sign_flip(random.standard_t(3, 8)) <= 0.05 for _ in range(2000))
    assert rejected / 2000 < 0.06


def test_positive_values_are_compared_by_their_ratio_seed_by_seed() -> None:
    first = {seed: 2.0 * (seed + 1) for seed in range(8)}
    second = {seed: 1.0 * (seed + 1) for seed in range(7, -1, -1)}
    found = pair(first, second)
    assert (found.kind, found.n, found.median, found.k) == ("ratio", 8, 2.0, 8)
    assert (found.low, found.high) == (2.0, 2.0)
    assert found.p == pytest.approx(2 / 256)
    assert found.direction == 1
    assert pair(second, first).direction == -1
    assert Pair.read(json.loads(json.dumps(found.json()))) == found


def test_others_by_their_difference() -> None:
    found = pair({s: s - 4.0 for s in range(8)}, {s: s - 3.0 for s in range(8)})
    assert (found.kind, found.median, found.k, found.direction) == ("difference", -1.0, 8, -1)


def test_five_pairs_tell_no_direction_and_neither_do_pairs_that_disagree() -> None:
    five = pair(dict.fromkeys(range(5), 2.0), dict.fromkeys(range(5), 1.0))
    assert (five.k, five.direction) == (5, 0)
    mixed = pair({s: 1.0 + 0.1 * (-1) ** s for s in range(8)}, dict.fromkeys(range(8), 1.0))
    assert mixed.direction == 0


def test_only_seeds_that_both_have_with_a_finite_value_count() -> None:
    found = pair({0: 1.0, 1: math.nan, 2: 3.0, 3: 1.0}, {0: 2.0, 1: 1.0, 2: None, 4: 1.0})
    assert (found.n, found.median) == (1, 0.5)
    assert pair({}, {}) == Pair("difference", 0, None, None, None, 0, None)
