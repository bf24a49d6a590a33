"""The panels of the lab `moe` against counts of every possible draw, and against sums written down another way."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from fractions import Fraction

import numpy as np
import pytest

from engine.labs.moe.panels._binomial import binomial, log_factorials
from engine.labs.moe.panels.expert_capacity import FACTORS, ExpertCapacity
from engine.labs.moe.panels.router_noise import DEAD, RouterNoise


def every_draw(tokens: int, experts: int, k: int) -> dict[tuple[int, ...], Fraction]:
    """Loads -> probability when each token takes k different experts, by going through all draws token by token."""
    loads: dict[tuple[int, ...], Fraction] = {(0,) * experts: Fraction(1)}
    subsets = list(itertools.combinations(range(experts), k))
    for _ in range(tokens):
        after: Counter[tuple[int, ...]] = Counter()
        for load, chance in loads.items():
            for subset in subsets:
                taken = tuple(count + (e in subset) for e, count in enumerate(load))
                after[taken] += chance / len(subsets)
        loads = dict(after)
    return loads


def entropy(load: tuple[int, ...]) -> float:
    total = sum(load)
    return -sum(count / total * math.log(count / total) for count in load if count) / math.log(len(load))


SMALL = [(16, 2, 1), (16, 3, 1), (16, 3, 2), (16, 4, 3), (17, 3, 3)]


@pytest.mark.parametrize(("tokens", "experts", "k"), SMALL)
def test_expected_entropy_and_dead_experts_are_those_of_every_possible_draw(tokens: int, experts: int, k: int) -> None:
    loads = every_draw(tokens, experts, k)
    assert sum(loads.values()) == 1
    panel = RouterNoise(tokens=tokens, experts=experts, k=k)
    mean_entropy, mean_dead = panel.expected(tokens, log_factorials(tokens))
    assert mean_entropy == pytest.approx(math.fsum(float(p) * entropy(load) for load, p in loads.items()), rel=1e-12)
    limit = Fraction(1, 10) * tokens * k / experts
    assert mean_dead == pytest.approx(math.fsum(float(p) * sum(c < limit for c in load) for load, p in loads.items()), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(("tokens", "experts", "k"), SMALL)
def test_simulated_loads_have_the_distribution_of_every_possible_draw(tokens: int, experts: int, k: int) -> None:
    exact: Counter[float] = Counter()
    for load, chance in every_draw(tokens, experts, k).items():
        exact[round(max(load) * experts / (tokens * k) - 1.0, 9)] += float(chance)
    many = 20_000
    drawn = RouterNoise(tokens=tokens, experts=experts, k=k).simulate(np.full(many, tokens), np.random.default_rng(7))
    seen = Counter(np.round(drawn["max_violation"], 9).tolist())
    assert set(seen) <= set(exact), "a load that no draw can give"
    for value, chance in exact.items():
        spread = math.sqrt(chance * (1.0 - chance) / many)
        assert abs(seen[value] / many - chance) <= 5.0 * spread + 1e-9, value


def exact_max(tokens: int, experts: int) -> tuple[float, float, float]:
    """Mean, 5 % and 95 % of the largest of `experts` multinomial counts: P(max <= m) = T!/E^T [x^T] (sum_{j<=m} x^j/j!)^E, in integers."""

    def at_most(m: int) -> float:
        power = [Fraction(1)] + [Fraction(0)] * tokens
        terms = [Fraction(1, math.factorial(j)) for j in range(m + 1)]
        for _ in range(experts):
            grown = [Fraction(0)] * (tokens + 1)
            for i, one in enumerate(power):
                for j, two in enumerate(terms):
                    if one and i + j <= tokens:
                        grown[i + j] += one * two
            power = grown
        return float(power[tokens] * math.factorial(tokens) / Fraction(experts) ** tokens)

    below = [at_most(m) for m in range(tokens + 1)]
    mean = math.fsum(1.0 - p for p in below[:-1])
    return mean, next(m for m, p in enumerate(below) if p >= 0.05), next(m for m, p in enumerate(below) if p >= 0.95)


def test_the_band_of_max_violation_is_that_of_the_largest_multinomial_count() -> None:
    tokens, experts = 24, 4
    mean, low, high = exact_max(tokens, experts)
    here = {name: values[0] for name, values in RouterNoise(tokens=tokens, experts=experts).compute()["here"].items()}
    assert here["max_violation_low"] == pytest.approx(low * experts / tokens - 1.0)
    assert here["max_violation_high"] == pytest.approx(high * experts / tokens - 1.0)
    assert here["max_violation_mean"] == pytest.approx(mean * experts / tokens - 1.0, abs=0.03)


def test_with_as_many_choices_as_experts_nothing_is_left_to_chance() -> None:
    here = RouterNoise(tokens=100, experts=4, k=4).compute()["here"]
    assert (here["max_violation_low"], here["max_violation_high"]) == ([0.0], [0.0])
    assert here["entropy_mean"][0] == pytest.approx(1.0)
    assert here["dead_mean"] == [0.0]


def test_the_rule_of_thumb_is_near_where_counts_are_large() -> None:
    bands = RouterNoise(experts=64).compute()["bands"]
    ratio = bands["rule"][-1] / bands["max_violation_mean"][-1]
    assert 1.0 < ratio < 1.4, "sqrt(2 ln E / mean count) is an upper estimate of the mean maximum"


def test_more_choices_than_experts_are_refused_in_one_sentence() -> None:
    for kind in (RouterNoise, ExpertCapacity):
        with pytest.raises(ValueError, match=r"k=8 is more than the 4 experts there are; choose k at most 4\."):
            kind(experts=4, k=8).compute()


@pytest.mark.parametrize(("n", "p"), [(10, 0.3), (1000, 1 / 32), (65_536, 0.5), (2**20, 1 / 256), (50, 0.0), (50, 1.0)])
def test_binomial_probabilities_have_the_mean_and_the_variance_of_the_binomial(n: int, p: float) -> None:
    counts, chance = binomial(n, p, log_factorials(n))
    assert chance.sum() == pytest.approx(1.0)
    mean = float(chance @ counts)
    assert mean == pytest.approx(n * p, rel=1e-9)
    assert float(chance @ (counts - mean) ** 2) == pytest.approx(n * p * (1.0 - p), rel=1e-6, abs=1e-9)
    middle = int(n * p)
    if 0 < p < 1:
        exact = math.exp(math.lgamma(n + 1) - math.lgamma(middle + 1) - math.lgamma(n - middle + 1)) if n <= 1000 else None
        if exact is not None:
            assert chance[counts == middle][0] == pytest.approx(exact * p**middle * (1.0 - p) ** (n - middle), rel=1e-9)


def test_the_threshold_of_a_dead_expert_is_that_of_the_probe() -> None:
    from engine.labs.moe.probes import router_dead_experts

    assert router_dead_experts.DEAD == DEAD
    decay = router_dead_experts.DECAY
    from engine.labs.moe.panels.router_noise import MEMORY

    assert round((1 + decay) / (1 - decay)) == MEMORY


# -- capacity ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("tokens", "experts", "k", "factor", "skew"), [(40, 5, 1, 1.25, 0.0), (60, 7, 2, 1.0, 1.0), (33, 4, 3, 0.5, 2.5)])
def test_dropped_and_empty_shares_are_the_sums_over_every_count(tokens: int, experts: int, k: int, factor: float, skew: float) -> None:
    panel = ExpertCapacity(tokens=tokens, experts=experts, k=k, capacity_factor=factor, skew=skew)
    frames = panel.compute()
    slots = math.ceil(Fraction(str(factor)) * tokens * k / experts)
    dropped = 0.0
    for rank, p in enumerate(panel.chosen().tolist()):
        over = math.fsum(max(0, c - slots) * math.comb(tokens, c) * p**c * (1.0 - p) ** (tokens - c) for c in range(tokens + 1))
        assert frames["experts"]["dropped"][rank] == pytest.approx(over, rel=1e-9, abs=1e-9)
        dropped += over
    here = {name: values[0] for name, values in frames["here"].items()}
    assert here["capacity"] == slots
    assert here["dropped"] == pytest.approx(dropped / (tokens * k), rel=1e-9)
    assert here["empty"] == pytest.approx(1.0 - (tokens * k - dropped) / (experts * slots), rel=1e-9)
    at = FACTORS.index(factor)
    assert frames["factors"]["dropped"][at] == pytest.approx(here["dropped"])
    assert frames["factors"]["dropped"] == sorted(frames["factors"]["dropped"], reverse=True), "a larger buffer drops less"


@pytest.mark.parametrize(("experts", "k", "skew"), [(32, 1, 0.0), (32, 2, 1.0), (8, 8, 2.0), (256, 8, 3.0), (5, 4, 3.0)])
def test_choices_fall_with_rank_and_no_expert_is_chosen_twice_by_a_token(experts: int, k: int, skew: float) -> None:
    chosen = ExpertCapacity(experts=experts, k=k, skew=skew).chosen()
    assert chosen.sum() == pytest.approx(k)
    assert chosen.max() <= 1.0
    assert (np.diff(chosen) <= 1e-12).all()
    free = np.flatnonzero(chosen < 1.0 - 1e-12)
    if len(free) > 1:
        slope = np.log(chosen[free[1:]] / chosen[free[0]]) / np.log((free[1:] + 1) / (free[0] + 1))
        assert slope == pytest.approx(-skew, abs=1e-9)


def test_the_cost_is_what_counting_the_multiplications_of_small_tensors_gives() -> None:
    panel = ExpertCapacity(tokens=16, experts=4, k=2, capacity_factor=1.0, d_model=16, expert_width=32, number_format="fp32")
    frame = panel.compute()["cost"]
    cost = dict(zip(frame["part"], frame["flops"], strict=True))
    slots = 8
    assert cost["router"] == 2 * 16 * 4
    one_slot = 2 * (16 * 32 + 32 * 16)
    assert cost["experts, useful"] + cost["experts, empty slots"] == pytest.approx(4 * slots * one_slot / 16)
    einsum_TEC_TD = 2 * 16 * 4 * slots * 16  # T, E, C, D: one multiply-add for each combination
    assert cost["one-hot dispatch"] == 2 * einsum_TEC_TD / 16
    sizes = dict(zip(frame["bytes_of"], frame["bytes"], strict=True))
    assert sizes["expert weights"] == 4 * 4 * (16 * 32 + 32 * 16)
    assert sizes["buffers in and out"] == 2 * 4 * (4 * slots * 16)
    assert sizes["one-hot mask"] == 4 * 16 * 4 * slots


def test_a_capacity_that_is_a_whole_number_is_not_rounded_up_by_a_rounding_error() -> None:
    assert ExpertCapacity(tokens=1000, experts=10, capacity_factor=1.1).capacity(1.1) == 110
    assert ExpertCapacity(tokens=1000, experts=7, capacity_factor=1.0).capacity(1.0) == 143
