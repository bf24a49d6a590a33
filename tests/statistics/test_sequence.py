"""Looking after every seed: how often it is ever wrong and how many seeds it takes, by exact recursion over all series."""

from __future__ import annotations

import math

import numpy as np
import pytest

from engine.statistics.sequence import LONGEST, NEEDED, evidence, fewest, sequence


def decided_at(p: float, longest: int) -> np.ndarray:
    """Probability of a decision at look 1, 2, … when a difference is positive with probability p."""
    going, ends = {0: 1.0}, []
    for n in range(1, longest + 1):
        after: dict[int, float] = {}
        for k, q in going.items():
            after[k + 1] = after.get(k + 1, 0.0) + q * p
            after[k] = after.get(k, 0.0) + q * (1 - p)
        ends.append(sum(after.pop(k) for k in list(after) if evidence(k, n) >= NEEDED))
        going = after
    return np.array(ends)


def test_it_is_ever_wrong_in_three_of_a_hundred_series_and_needs_few_seeds() -> None:
    fair = np.cumsum(decided_at(0.5, 200))
    assert fair[-1] == pytest.approx(0.0333, abs=2e-4)
    assert fair[LONGEST - 1] == pytest.approx(0.0254, abs=2e-4)
    for p, median in ((0.84, 16), (0.95, 7)):
        assert int(np.argmax(np.cumsum(decided_at(p, 64)) >= 0.5)) + 1 == median


def test_evidence_is_the_bet_of_krichevsky_and_trofimov_and_fair_on_average() -> None:
    for n in (1, 2, 7, 32):
        assert sum(math.comb(n, k) * evidence(k, n) for k in range(n + 1)) / 2**n == pytest.approx(1.0)
    wealth, heads = 1.0, 0
    for n, head in enumerate([1, 1, 0, 1, 1, 1]):
        share = (heads + 0.5) / (n + 1)
        wealth *= 2 * (share if head else 1 - share)
        heads += head
    assert evidence(heads, 6) == pytest.approx(wealth)
    assert evidence(3.5, 6) <= (evidence(3, 6) + evidence(4, 6)) / 2, "a tie that counts half makes E smaller"


def test_seven_seeds_decide_at_the_earliest_and_thirty_two_end_it() -> None:
    assert (fewest(), fewest(40.0)) == (7, 8)
    six, seven = sequence([-1.0] * 6), sequence([-1.0, -2, -3, -4, -5, -6, -7, 9, 9, 9])
    assert (six.n, six.state) == (6, "going on")
    assert (seven.n, seven.state, seven.low, seven.high) == (7, "lower", -7.0, -1.0)
    assert sequence([1.0] * 7).state == "higher"
    assert sequence([1.0] * 7, comparisons=2).state == "going on"
    ends = sequence([1.0, -1.0] * 20)
    assert (ends.n, ends.state, ends.half_width) == (32, "undecided", 1.0)
    assert (sequence([]).n, sequence([]).e, sequence([]).low) == (0, 1.0, None)


def test_the_interval_holds_every_median_that_is_not_rejected() -> None:
    d = np.random.default_rng(2).normal(0.2, 1, 20)
    result = sequence(d.tolist())
    assert result.n == 20
    inside = [m for m in np.linspace(-3, 3, 2001) if evidence(float(np.sum(d > m)), 20) < NEEDED]
    assert (result.low, result.high) == (pytest.approx(min(inside), abs=4e-3), pytest.approx(max(inside), abs=4e-3))


def test_ties_count_half_and_a_diverged_run_has_a_sign_but_no_size() -> None:
    assert sequence([0.0] * 32).state == "undecided"
    one_diverged = sequence([-1.0] * 6 + [-math.inf])
    assert (one_diverged.state, one_diverged.low, one_diverged.high) == ("lower", None, None)
    with pytest.raises(ValueError, match="NaN"):
        sequence([math.nan])
