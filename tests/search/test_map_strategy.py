"""Where a map is refined: against a boundary that is known, and against the definition written out point by point."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable
from typing import Any

import pytest

from engine.declare.resolve import KnobError
from engine.search.lattice import listed, restored, ruled
from engine.search.outcome import Outcome, middle
from engine.search.strategies.map import Map
from engine.search.strategy import names, strategy

RATE = {"kind": "float", "default": 0.0, "min": 0.0, "max": 1e6, "choices": [], "unit": ""}
WHOLE = {"kind": "int", "default": 1, "min": 1, "max": 100, "choices": [], "unit": ""}
Fate = Callable[[dict[str, Any], int], str]


def setting(*axes: Any, first: int = 5, refine: int = 3, level: float | None = None) -> dict[str, Any]:
    shown = [axis.json() for axis in axes]
    return {"is": "map", "open": True, "axes": shown, "first": first, "refine": refine, "metric": "loss/train", "level": level}


def result(point: dict[str, Any], seed: int, fate: Fate) -> Outcome:
    status = fate(point, seed)
    return Outcome({**point, "seed": seed}, f"run-{seed}", status, {"diverged": math.nan, "finished": 1.0}.get(status))


def played(way: Map, fate: Fate, seeds: int = 1) -> tuple[list[Outcome], list[int]]:
    """Everything that follows until nothing does -> (all results, how many points came in each round)."""
    results: list[Outcome] = []
    rounds = []
    while points := way.following(results):
        rounds.append(len(points))
        results += [result(point, seed, fate) for point in points for seed in range(seeds)]
        assert len(results) < 20_000
    assert not way.waits(results)
    return results, rounds


def circle(point: dict[str, Any], seed: int) -> str:
    return "diverged" if math.hypot(point["x"] - 0.31, point["y"] - 0.57) < 0.3 else "finished"


def test_a_refined_map_knows_the_boundary_as_well_as_the_whole_grid_with_a_fraction_of_its_runs() -> None:
    axes = [ruled(RATE, name, 0.0, 1.0) for name in ("x", "y")]
    way = Map(setting(*axes))
    results, rounds = played(way, circle)
    assert rounds[0] == 25
    assert len(rounds) == 4, "three refinements"
    whole = len(axes[0].values) * len(axes[1].values)
    assert whole == 33 * 33
    assert len(results) < 0.45 * whole
    fates = {cell.spot: cell.diverged for cell in way.cells(results)}
    for spot in itertools.product(range(33), repeat=2):  # what is drawn at each spot: the finest cell that covers it
        point = {"x": axes[0].values[spot[0]], "y": axes[1].values[spot[1]]}
        if spot in fates:
            assert bool(fates[spot]) == (circle(point, 0) == "diverged")
    edge = [
        spot for spot in fates if any(fates.get(n, fates[spot]) != fates[spot] for n in ((spot[0] + 1, spot[1]), (spot[0], spot[1] + 1)))
    ]
    assert len(edge) > 20, "the boundary itself stands on neighbours of the finest level"


def test_the_second_round_is_exactly_the_boxes_whose_corners_disagree() -> None:
    axes = [ruled(RATE, name, 0.0, 1.0, refine=1) for name in ("x", "y")]
    way = Map(setting(*axes, refine=1))
    first = [result(point, 0, circle) for point in way.first()]
    expected = set()
    marks = [0.0, 0.25, 0.5, 0.75, 1.0]
    for x, y in itertools.product(marks[:-1], repeat=2):
        if len({circle({"x": x + dx, "y": y + dy}, 0) for dx in (0, 0.25) for dy in (0, 0.25)}) > 1:
            expected |= set(itertools.product((x, x + 0.125, x + 0.25), (y, y + 0.125, y + 0.25)))
    expected -= set(itertools.product(marks, repeat=2))
    assert {(point["x"], point["y"]) for point in way.following(first)} == expected


def test_nothing_is_refined_before_all_corners_have_their_results_nor_where_they_say_nothing() -> None:
    axes = [ruled(RATE, name, 0.0, 1.0, first=2, refine=2) for name in ("x", "y")]
    way = Map(setting(*axes, first=2, refine=2))
    begin = way.following([])
    assert len(begin) == 4
    fates = ["diverged", "finished", "finished", "finished"]
    for unknown in ("running", "queued", "failed", "killed", "stopped", ""):
        some = [result(point, 0, lambda *_, fate=fate: fate) for point, fate in zip(begin, [*fates[:3], unknown], strict=True)]
        assert way.following(some) == []
        assert way.waits(some) == (unknown in ("running", "queued", ""))
    assert len(way.following([result(point, 0, lambda *_, fate=fate: fate) for point, fate in zip(begin, fates, strict=True)])) == 5


def test_a_share_that_differs_is_refined_and_one_that_does_not_is_not() -> None:
    axes = [ruled(RATE, name, 0.0, 1.0, first=2, refine=1) for name in ("x", "y")]
    way = Map(setting(*axes, first=2, refine=1))

    def results(shares: list[int]) -> list[Outcome]:
        return [
            result(point, seed, lambda *_, d=diverged, s=seed: "diverged" if s < d else "finished")
            for point, diverged in zip(way.first(), shares, strict=True)
            for seed in range(3)
        ]

    assert way.following(results([1, 1, 1, 1])) == []
    assert len(way.following(results([1, 1, 2, 1]))) == 5


def test_a_level_of_the_metric_is_a_boundary_too() -> None:
    axes = [ruled(RATE, name, 0.0, 1.0, first=2, refine=1) for name in ("x", "y")]

    def valued(values: list[float]) -> list[Outcome]:
        return [
            Outcome(dict(point), "r", "finished", value)
            for point, value in zip(Map(setting(*axes, first=2, refine=1)).first(), values, strict=True)
        ]

    at = Map(setting(*axes, first=2, refine=1, level=0.5))
    assert at.following(valued([0.1, 0.2, 0.3, 0.5])) == []
    assert len(at.following(valued([0.1, 0.2, 0.3, 0.6]))) == 5
    assert Map(setting(*axes, first=2, refine=1)).following(valued([0.1, 0.2, 0.3, 0.6])) == []
    assert len(at.following(valued([0.1, 0.2, 0.3, math.nan]))) == 5, "what is no number is not below the level"


def test_chosen_values_are_never_refined_and_a_third_axis_has_maps_of_its_own() -> None:
    rate, router, depth = ruled(RATE, "lr", 1e-4, 1.0), listed("router", ["hash", "base"]), listed("depth", [1, 2])
    assert rate.scale == "log"
    way = Map(setting(rate, router, depth))

    def fate(point: dict[str, Any], seed: int) -> str:
        return "diverged" if point["router"] == "hash" and point["depth"] == 2 and point["lr"] > 3e-2 else "finished"

    results, rounds = played(way, fate)
    assert rounds == [5 * 2 * 2, 1, 1, 1], "a bisection of the one line that has an edge"
    assert {(one.knobs["router"], one.knobs["depth"]) for one in results[20:]} == {("hash", 2)}


def test_whole_numbers_are_refined_only_as_far_as_there_are_any() -> None:
    axis = ruled(WHOLE, "layers", 1, 9)
    assert [axis.values[at] for at in axis.first] == [1, 3, 5, 7, 9]
    way = Map(setting(axis, ruled(RATE, "lr", 0.0, 1.0, refine=3)))
    results, _ = played(way, lambda point, seed: "diverged" if point["layers"] > 4 else "finished")
    assert {one.knobs["layers"] for one in results} == {1, 3, 4, 5, 7, 9}
    spots = [cell.spot for cell in way.cells(results)]
    assert len(spots) == len(set(spots)) == len({(one.knobs["layers"], one.knobs["lr"]) for one in results})


def test_a_killed_map_goes_on_where_it_was_whatever_order_results_came_in() -> None:
    axes = [ruled(RATE, name, 0.0, 1.0, refine=2) for name in ("x", "y")]
    results, _ = played(Map(setting(*axes, refine=2)), circle)
    chance = random.Random(1)
    for _ in range(5):
        some = results[:25]
        rest = results[25:]
        while True:
            wanted = Map(setting(*axes, refine=2)).following(some)
            if not wanted:
                break
            chosen = chance.sample(wanted, max(1, len(wanted) // 2))
            some = [*some, *(result(point, 0, circle) for point in chosen)]
        assert {(o.knobs["x"], o.knobs["y"]) for o in some} == {(o.knobs["x"], o.knobs["y"]) for o in [*results[:25], *rest]}


def test_cells_count_what_counts_and_hide_no_divergence() -> None:
    axes = [ruled(RATE, name, 0.0, 1.0, first=2, refine=0) for name in ("x", "y")]
    way = Map(setting(*axes, first=2, refine=0))
    point = way.first()[0]
    results = [
        Outcome(dict(point), "a", "finished", 2.0),
        Outcome(dict(point), "b", "diverged", math.nan),
        Outcome(dict(point), "c", "finished", math.inf),
        Outcome(dict(point), "d", "failed"),
        Outcome(dict(point), "e", "running"),
        Outcome(dict(point), None, ""),
    ]
    (cell,) = way.cells(results)
    assert (cell.n, cell.diverged, cell.pending, len(cell.runs)) == (3, 2, 2, 5)
    assert math.isnan(cell.final), "two of three are worse than any number"
    assert middle([1.0, math.nan]) == math.inf
    assert middle([1.0, 2.0, 4.0, math.nan]) == 3.0, "a median is the mean of the two in the middle, as everybody reads it"
    assert math.isnan(middle([]))


@pytest.mark.parametrize(("low", "high", "spec", "part"), [
    (1.0, 1.0, RATE, "does not go upwards"),
    (2.0, 1.0, RATE, "does not go upwards"),
    (-1.0, 1.0, RATE, "out of bounds"),
    (1, 4, WHOLE, "has no 5 different whole numbers"),
    (1.0, math.nextafter(1.0, 2.0), RATE, "different numbers"),
    (0.0, 1.0, {**RATE, "kind": "question"}, "takes no numbers"),
])  # fmt: skip
def test_a_range_that_cannot_be_an_axis_is_refused_in_one_sentence(low: float, high: float, spec: dict[str, Any], part: str) -> None:
    with pytest.raises(KnobError, match=part):
        ruled(spec, "lr", low, high)


@pytest.mark.parametrize("axis", [{}, {"knob": "lr"}, {"knob": "lr", "low": "a", "high": 2}, {"knob": "lr", "low": 3.0, "high": 2.0}])
def test_an_odd_axis_of_a_file_is_one_sentence(axis: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="odd axis"):
        restored(axis, first=5, refine=3)


def test_a_lattice_comes_back_from_the_file_as_it_was() -> None:
    for axis in (ruled(RATE, "lr", 1e-4, 1.0), ruled(WHOLE, "layers", 1, 9), listed("router", ["hash"]), ruled(RATE, "m", 0.0, 0.3)):
        assert restored(axis.json(), first=5, refine=3) == axis


@pytest.mark.parametrize("name", names())
def test_every_strategy_refuses_a_setting_without_anything(name: str) -> None:
    with pytest.raises(ValueError, match=r"\."):
        strategy({"is": name})


def test_a_strategy_that_does_not_exist_is_named() -> None:
    with pytest.raises(ValueError, match="No strategy"):
        strategy({"is": "mapp"})
