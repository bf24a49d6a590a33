"""Simulated coverage of every interval; where it falls short of 90 %, the docstring says by how much, and the test holds the docstring."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from engine.statistics.arm import arm
from engine.statistics.bootstrap import bootstrap_mean
from engine.statistics.noise_floor import noise_floor
from engine.statistics.sign_flip_interval import sign_flip_interval

DRAW: dict[str, Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]] = {
    "normal": lambda random, size: random.normal(size=size),
    "lognormal": lambda random, size: random.lognormal(size=size),
    "t3": lambda random, size: random.standard_t(3, size),
}
EXACT = {5: 1 - 2 / 2**5, 8: 1 - 24 / 2**8, 16: 1 - 2 * 3276 / 2**16}  # of symmetric differences


def near(held: float, nominal: float, times: int) -> bool:
    return abs(held - nominal) <= 2 * (nominal * (1 - nominal) / times) ** 0.5


def flip_coverage(name: str, n: int, times: int) -> float:
    """Of the mean difference, 0, of two arms that differ in their seeds only."""
    random = np.random.default_rng(n)
    d = DRAW[name](random, (times, n)) - DRAW[name](random, (times, n))
    ends = [sign_flip_interval(row) for row in d]
    return float(np.mean([e.low is not None and e.high is not None and e.low <= 0 <= e.high for e in ends]))


@pytest.mark.parametrize("name", DRAW)
@pytest.mark.parametrize("n", [5, 8])
def test_the_sign_flip_interval_holds_the_mean_difference_as_often_as_it_says(name: str, n: int) -> None:
    assert near(flip_coverage(name, n, 1500), EXACT[n], 1500)


@pytest.mark.slow
@pytest.mark.parametrize("name", DRAW)
@pytest.mark.parametrize(("n", "times"), [(5, 10_000), (8, 10_000), (16, 2_000)])
def test_the_sign_flip_interval_by_many_simulations(name: str, n: int, times: int) -> None:
    assert near(flip_coverage(name, n, times), EXACT[n], times)


@pytest.mark.slow
@pytest.mark.parametrize(("n", "times", "held"), [(5, 10_000, 0.83), (8, 10_000, 0.79), (16, 2_000, 0.80)])
def test_the_sign_flip_interval_of_lognormal_differences_falls_short_as_documented(n: int, times: int, held: float) -> None:
    rows = DRAW["lognormal"](np.random.default_rng(n), (times, n))
    ends = [sign_flip_interval(row) for row in rows]
    assert np.mean([e.low <= np.exp(0.5) <= e.high for e in ends]) == pytest.approx(held, abs=0.02)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "n", "held"), [(a, n, 0.9) for a in ("normal", "lognormal") for n in (8, 16)] + [("t3", 8, 0.887), ("t3", 16, 0.899)]
)
def test_the_band_of_an_arm_holds_one_more_run(name: str, n: int, held: float) -> None:
    rows = DRAW[name](np.random.default_rng(n), (10_000, n + 1))
    arms = [arm("a", row[:n].tolist()) for row in rows]
    assert near(float(np.mean([a.low <= row[n] <= a.high for a, row in zip(arms, rows, strict=True)])), held, 10_000)


FLOORS = {  # of one difference, of a mean of n pairs; n = 5, 8, 16
    "normal": ((0.90, 0.90, 0.90), (0.90, 0.90, 0.90)),
    "lognormal": ((0.83, 0.85, 0.87), (0.76, 0.77, 0.79)),
    "t3": ((0.87, 0.87, 0.89), (0.84, 0.84, 0.85)),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", FLOORS)
@pytest.mark.parametrize("column", [0, 1, 2])
def test_the_noise_floor_holds_differences_of_fresh_runs_as_often_as_documented(name: str, column: int) -> None:
    n, times = (5, 8, 16)[column], 10_000
    random = np.random.default_rng(n)
    floors = [noise_floor(row.tolist()) for row in DRAW[name](random, (times, n))]
    one = DRAW[name](random, (times, 2))
    mean = DRAW[name](random, (times, 2, n)).mean(-1)
    single = np.mean([abs(a - b) <= f.single for f, (a, b) in zip(floors, one, strict=True)])
    pairs = np.mean([abs(a - b) <= f.of_mean(n) for f, (a, b) in zip(floors, mean, strict=True)])
    assert (single, pairs) == (pytest.approx(FLOORS[name][0][column], abs=0.012), pytest.approx(FLOORS[name][1][column], abs=0.012))


BCA = {("normal", 10): 0.85, ("normal", 16): 0.88, ("lognormal", 10): 0.76, ("lognormal", 16): 0.78, ("t3", 10): 0.82, ("t3", 16): 0.84}


@pytest.mark.slow
@pytest.mark.parametrize(("name", "n"), BCA)
def test_the_bootstrap_falls_short_as_documented(name: str, n: int) -> None:
    random = np.random.default_rng(n)
    ends = [bootstrap_mean(d) for d in DRAW[name](random, (1000, n)) - DRAW[name](random, (1000, n))]
    assert np.mean([low <= 0 <= high for low, high in ends]) == pytest.approx(BCA[name, n], abs=0.035)


def test_the_bootstrap_is_seeded_and_silent_where_it_has_nothing_to_resample() -> None:
    d = np.random.default_rng(0).normal(1, 1, 12)
    low, high = bootstrap_mean(d) or (0, 0)
    assert (low, high) == bootstrap_mean(d)
    assert low < d.mean() < high
    assert bootstrap_mean(np.full(10, 0.5)) == (0.5, 0.5)
    assert bootstrap_mean(d[:9]) is None
    assert bootstrap_mean(np.append(d, np.inf)) is None
