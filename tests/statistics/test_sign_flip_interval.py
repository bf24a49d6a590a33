"""Mean of pairs: Darwin's maize, the older exact test, the interval against a search, and simulated coverage."""

from __future__ import annotations

import numpy as np
import pytest

from engine.statistics.pairs import sign_flip
from engine.statistics.sign_flip_interval import DRAWS, sign_flip_interval

DARWIN = np.array([49.0, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48])  # crossed minus self-fertilised, eighths of an inch


def test_darwins_fifteen_pairs_have_the_p_that_fisher_counted() -> None:
    result = sign_flip_interval(DARWIN)
    assert (result.p * 2**15, result.exact) == (1726, True)
    assert result.low is not None
    assert result.low > 0, "p = 0.0527 is below 0.10, so the 90 % interval leaves 0 out"


@pytest.mark.parametrize("n", [1, 2, 5, 9, 12])
def test_p_equals_that_of_the_test_which_lists_every_pattern(n: int) -> None:
    random = np.random.default_rng(n)
    for d in (random.normal(0.3, 1, n), random.integers(-2, 3, n).astype(float), np.full(n, 0.1)):
        assert sign_flip_interval(d).p == sign_flip(d)


@pytest.mark.parametrize("n", [5, 6, 8, 11])
def test_the_interval_holds_exactly_the_means_that_the_test_does_not_reject(n: int) -> None:
    d = np.random.default_rng(n).normal(0.5, 1, n)
    result = sign_flip_interval(d)
    for end, outwards in ((result.low, -1), (result.high, 1)):
        assert end is not None
        assert sign_flip(d - (end + outwards * 1e-6)) <= 0.10
        assert sign_flip(d - (end - outwards * 1e-6)) > 0.10


def test_five_pairs_give_smallest_to_largest_and_four_give_none() -> None:
    five = sign_flip_interval(np.array([1.0, 5.0, 2.0, 4.0, 3.5]))
    assert (five.low, five.high, five.p) == (1.0, 5.0, 2 / 32)
    four = sign_flip_interval(np.array([1.0, 5.0, 2.0, 4.0]))
    assert (four.low, four.high, four.p) == (None, None, 2 / 16)
    equal = sign_flip_interval(np.full(8, 0.25))
    assert (equal.low, equal.high) == (0.25, 0.25)


def test_from_seventeen_pairs_on_patterns_are_drawn_and_agree_with_all_of_them() -> None:
    d = np.random.default_rng(0).normal(0.4, 1, 17)
    drawn = sign_flip_interval(d)
    assert not drawn.exact
    assert drawn == sign_flip_interval(d), "the same patterns each time"
    p = sign_flip(d)
    assert drawn.p == pytest.approx(p, abs=4 * (p * (1 - p) / DRAWS) ** 0.5)
    assert drawn.low is not None
    assert drawn.high is not None
    assert (drawn.low > 0 or drawn.high < 0) == (drawn.p <= 0.10)
    assert sign_flip_interval(np.ones(32)).p == pytest.approx(1 / (DRAWS + 1)), "never 0"


@pytest.mark.parametrize("d", [[], [1.0, np.nan], [np.inf]])
def test_only_finite_differences_are_taken(d: list[float]) -> None:
    with pytest.raises(ValueError, match="one or more finite differences"):
        sign_flip_interval(np.array(d))
