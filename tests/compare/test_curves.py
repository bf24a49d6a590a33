"""Curves of arms: what is drawn in full, bands that hold what runs do in a stretch, and the share that diverged."""

from __future__ import annotations

import math

import numpy as np

from engine.compare.arms import Arms
from engine.compare.curves import BUCKETS, FULL, FULL_POINTS, REST_POINTS, Curves, curves
from engine.compare.overview import chosen, declared, standing_of
from engine.index.owner import IndexOwner
from engine.statistics.arm import PLAIN
from engine.statistics.interval import band
from engine.statistics.noise_floor import noise_floor
from tests.support.compared_runs import METRIC, made, read_in
from tests.support.indexed_runs import Owners


def drawn(owner: IndexOwner, runs: list[str]) -> tuple[Arms, Curves]:
    arms = chosen(owner.store, declared(owner.data, runs), None)
    return arms, curves(owner.store, arms, (METRIC, ""), arms.arms[0].name, PLAIN, standing_of(owner.store, runs))


def test_a_short_curve_has_the_band_of_its_own_values_at_every_step(owners: Owners) -> None:
    owner = owners()
    values = np.exp(np.random.default_rng(0).normal(0, 0.3, (8, 5)))
    _, found = drawn(owner, read_in(owner, [made(owner.data, s, row.tolist()) for s, row in enumerate(values)]))
    one = found.arms[0]
    assert (one.form, found.width, one.middle_B.tolist()) == ("band", 1, [0, 1, 2, 3, 4])
    for step in range(5):
        expected = band(values[:, step].tolist())
        assert np.allclose((one.low_B[step], one.high_B[step], one.median_high_B[step]), (expected.low, expected.high, expected.median))
        assert np.isclose(found.floor_B[step], noise_floor(values[:, step].tolist()).single)


def test_a_run_that_diverged_counts_from_there_on_and_one_that_goes_on_does_not(owners: Owners) -> None:
    owner = owners()
    runs = [made(owner.data, s, [3.0, 2.0, 1.0, 1.0]) for s in range(5)]
    runs += [made(owner.data, 5, [3.0, math.nan], status="diverged"), made(owner.data, 6, [3.0, 2.0], status="running")]
    _, found = drawn(owner, read_in(owner, runs))
    one = found.arms[0]
    assert one.runs_B.tolist() == [6, 6, 6, 6]
    assert one.diverged_B.tolist() == [0, 1, 1, 1]
    assert np.isnan(found.floor_B).tolist() == [False, True, True, True]
    assert found.lines[5].line.marks == ((1, "NaN"),)


def test_of_runs_that_all_go_on_there_is_a_median_as_far_as_all_have_come(owners: Owners) -> None:
    owner = owners()
    longer = [made(owner.data, s, [9.0, 5.0 + s, 4.0, 3.0], status="running") for s in range(3)]
    behind = [made(owner.data, 3, [9.0, 8.0], status="running"), made(owner.data, 4, [], status="running")]
    _, found = drawn(owner, read_in(owner, [*longer, *behind]))
    one = found.arms[0]
    assert one.middle_B.tolist() == [0, 1]
    assert one.median_high_B.tolist() == [9.0, 6.5]
    assert [len(line.line.steps) for line in found.lines] == [4, 4, 4, 2, 0], "lines go on"


def test_a_spike_of_one_step_lies_in_the_band_of_its_stretch(owners: Owners) -> None:
    owner = owners()
    runs = []
    for seed in range(8):
        values = [2.0 + 0.01 * seed] * 2000
        values[1234] = 50.0 + seed
        runs.append(made(owner.data, seed, values))
    _, found = drawn(owner, read_in(owner, runs))
    one = found.arms[0]
    assert found.width == 10
    assert len(one.middle_B) == BUCKETS
    at = int(np.argmin(np.abs(one.middle_B - 1234)))
    assert one.high_B[at] > 57
    assert one.median_high_B[at] == 53.5
    assert one.low_B[at] < 2.0
    assert all(line.line.values.max() == 50.0 + seed for seed, line in enumerate(found.lines))


def test_many_runs_are_drawn_in_few_points_and_the_first_seeds_of_each_arm_in_full(owners: Owners) -> None:
    owner = owners()
    values = [3.0 + 0.001 * n for n in range(500)]
    values[77] += 300.0
    runs = [made(owner.data, seed, values, lr=lr) for lr in (0.1, 0.2) for seed in range(12)]
    arms, found = drawn(owner, read_in(owner, runs))
    full = {(line.arm, line.key[0]) for line in found.lines if line.full}
    assert full == {(arm.name, seed) for arm in arms.arms for seed in range(FULL // 2)}
    for line in found.lines:
        assert len(line.line.steps) <= (FULL_POINTS if line.full else REST_POINTS) + 4
        assert line.line.values.max() > 300
