"""The edge of training: against edges that are known, and every way in which there is none to be had."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from engine.declare.resolve import KnobError
from engine.search.edges import edge_request
from engine.search.outcome import Outcome
from engine.search.strategies.edge import HALVINGS, Edge, trains
from engine.search.strategy import strategy
from tests.support.toy import TOY, Answer, refused

Engine = Callable[..., Answer]
Fate = Callable[[dict[str, Any], int], Outcome]


def setting(**more: Any) -> dict[str, Any]:
    axis = {"knob": "lr", "low": 1e-4, "high": 10.0, "scale": "log"}
    return {"is": "edge", "open": True, "axis": axis, "lines": [], "halvings": HALVINGS, "metric": "loss/train", **more}


def ended(point: dict[str, Any], seed: int, diverges: bool) -> Outcome:
    values = (math.nan, 3.0, math.nan) if diverges else (1.0, 3.0, 1.2)
    return Outcome({**point, "seed": seed}, f"r{seed}", "diverged" if diverges else "finished", *values)


def played(way: Edge, fate: Fate, seeds: int = 3) -> list[Outcome]:
    results: list[Outcome] = []
    while points := way.following(results):
        results += [fate(point, seed) for point in points for seed in range(seeds)]
        assert len(results) < 500
    return results


@pytest.mark.parametrize("edge", [2e-4, 0.0123, 0.7, 9.0])
def test_six_halvings_put_an_edge_between_two_neighbours_of_sixty_four(edge: float) -> None:
    way = Edge(setting())
    results = played(way, lambda point, seed: ended(point, seed, point["lr"] > edge))
    assert len(results) == 3 * (2 + HALVINGS)
    (line,) = way.result(results)["edges"]
    assert line["trains"] <= edge < line["breaks"]
    assert math.log(line["breaks"] / line["trains"]) == pytest.approx(math.log(1e5) / 64, rel=1e-2)
    closed = strategy(setting(**way.result(results)))
    low, high = (f"{line[end]:.4g}" for end in ("trains", "breaks"))
    assert closed.sentences() == [f"lr trains at {low} on all 3 seeds and at {high} on fewer."], "with more seeds it can only sink"
    del line["seeds"]
    older = strategy(setting(edges=[line])).sentences()
    assert older == [f"lr trains at {low} and not at {high}."], "a file of a version that did not count them"


def test_one_seed_that_breaks_is_enough_and_a_loss_that_did_not_fall_is_no_training() -> None:
    good, bad = Outcome({}, "a", "finished", 1.0, 3.0, 1.0), Outcome({}, "b", "diverged", math.nan, 3.0, None)
    flat, blind = Outcome({}, "c", "finished", 3.0, 3.0, 3.0), Outcome({}, "d", "finished", None, None, None)
    out, failed = Outcome({}, "e", "running"), Outcome({}, "f", "failed", None, 3.0, 2.0)
    assert trains([good, good]) is True
    assert trains([good, bad]) is False
    assert trains([good, flat]) is False
    assert trains([good, out]) is None
    assert trains([bad, out]) is False
    assert trains([good, failed]) is None
    assert trains([good, blind]) is None
    assert trains([]) is None


def test_every_line_has_its_own_edge() -> None:
    edges = {"hash": 0.05, "base": 2.0}
    way = Edge(setting(lines=[{"knob": "router", "values": ["hash", "base"]}]))
    results = played(way, lambda point, seed: ended(point, seed, point["lr"] > edges[point["router"]]))
    for line in way.result(results)["edges"]:
        assert line["trains"] <= edges[line["line"]["router"]] < line["breaks"]
    assert len(results) == 2 * 3 * (2 + HALVINGS)


@pytest.mark.parametrize(("breaks_from", "runs", "part"), [
    (1e9, 2, "trains at every value that was tried"),
    (0.0, 2, "does not train at 0.0001, the smallest value"),
])  # fmt: skip
def test_no_edge_within_the_range_takes_both_ends_only_and_is_said(breaks_from: float, runs: int, part: str) -> None:
    way = Edge(setting())
    results = played(way, lambda point, seed: ended(point, seed, point["lr"] >= breaks_from), seeds=1)
    assert len(results) == runs
    assert part in strategy(setting(**way.result(results))).sentences()[0]


def test_a_failed_seed_leaves_it_undecided_and_no_guess_is_made() -> None:
    way = Edge(setting())

    def fate(point: dict[str, Any], seed: int) -> Outcome:
        inside = 1e-4 < point["lr"] < 10.0
        return Outcome({**point, "seed": seed}, "r", "failed") if inside and seed == 1 else ended(point, seed, point["lr"] > 5.0)

    results = played(way, fate)
    assert len(results) == 3 * 3
    assert not way.waits(results)
    (sentence,) = strategy(setting(**way.result(results))).sentences()
    assert sentence == "lr is not decided: at 0.03162 not every seed has a result."


def test_two_neighbours_that_lie_close_together_are_told_apart() -> None:
    close = {"axis": {"knob": "lr", "low": 1.0, "high": 1.0001, "scale": "linear"}}
    way = Edge(setting(**close))
    (line,) = way.result(played(way, lambda point, seed: ended(point, seed, point["lr"] > 1.00004), seeds=1))["edges"]
    (sentence,) = strategy(setting(**close, edges=[line])).sentences()
    low, high = (float(word.rstrip(".")) for word in sentence.split() if word[0].isdecimal())
    assert (low, high) == (line["trains"], line["breaks"]), "the values that were tried, not their neighbours"


def test_the_verb_finds_the_cliff_of_each_line(engine: Engine) -> None:
    """It diverges where steps / 64 > 1 - pace, and its loss falls from the first step on."""
    code, document, _ = engine("sweep", "toy", "behave=cliff", "pace=0.25,0.75", "--edge", "steps=2..64", "--json")
    assert code == 0, "a diverged arm is a result"
    assert [edge["line"] for edge in document["edges"]] == [{"pace": 0.25}, {"pace": 0.75}]
    for edge, cliff in zip(document["edges"], (48, 16), strict=True):
        assert edge["trains"] <= cliff < edge["breaks"]
        assert edge["breaks"] / edge["trains"] < 1.2
    assert len(document["declarations"]) == len(document["statuses"]) <= 2 * 2 * (2 + HALVINGS), (
        "of whole numbers there may be none between"
    )
    text = engine("sweep", "toy", "behave=cliff", "pace=0.25,0.75", "--edge", "steps=2..64")[1]
    assert text.splitlines()[-1].startswith("pace=0.75: steps trains at 1")


def test_a_dry_run_shows_both_ends(engine: Engine) -> None:
    document = engine("sweep", "toy", "--edge", "steps=2..64", "seed=0..1", "--dry-run", "--json")[1]
    assert [(one["knobs"]["steps"], one["knobs"]["seed"]) for one in document["declarations"]] == [(2, 0), (2, 1), (64, 0), (64, 1)]


@pytest.mark.parametrize(("arguments", "part"), [
    (["--edge", "steps"], "is no range of a knob"),
    (["--edge", "steps=4"], "is no range of a knob"),
    (["--edge", "stps=2..64"], 'did you mean "steps"'),
    (["--edge", "steps=64..2"], "the smaller end first"),
    (["--edge", "behave=a..b"], "behave"),
    (["--edge", "steps=2..64", "steps=3"], "was given a value and an edge"),
    (["--edge", "steps=2..64", "--random", "3"], "two ways of choosing runs"),
    (["--edge", "steps=2..64", "seed=0..10", "code=0..30"], "more than 1000 runs"),
])  # fmt: skip
def test_what_is_no_edge_is_refused_in_one_sentence(engine: Engine, arguments: list[str], part: str) -> None:
    refused(engine("sweep", "toy", *arguments), 2, part)


def test_many_lines_are_refused_before_anything_is_made() -> None:
    with pytest.raises(KnobError, match="more than"):
        edge_request(TOY, None, {"code": "0..99", "seed": "0..4"}, "steps=2..64")
