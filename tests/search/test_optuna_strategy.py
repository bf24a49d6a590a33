"""A search as the strategy of a sweep: what a point is worth, when it goes on, and how it ends when Optuna does not answer."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any

import pytest

from engine.core import started
from engine.declare.resolve import KnobError
from engine.search import suggest as suggest_module
from engine.search.outcome import Outcome
from engine.search.searches import search_request
from engine.search.strategies.optuna import Optuna
from engine.search.strategy import strategy
from engine.search.suggest import NoSuggestion, suggest
from tests.support.toy import TOY

HASH = {"name": "hash", "knobs": []}
FREE = {"name": "free", "knobs": [{"name": "rate", "kind": "float", "default": 0.1, "min": 0.0, "max": 1.0, "choices": [], "unit": ""}]}
ROUTER = {"name": "router", "kind": "question", "default": "hash", "min": None, "max": None, "unit": "", "choices": [HASH, FREE]}
ROUTED = {**TOY, "knobs": [*TOY["knobs"], ROUTER]}
LADDER = {**TOY["presets"]["short"], "grid": {"pace": [0.0, 0.5]}, "knobs": {"steps": 3, "seed": 2}}


def setting(**more: Any) -> dict[str, Any]:
    space = [{"knob": "lr", "low": 1e-4, "high": 1.0, "scale": "log"}]
    shape = {"is": "optuna", "open": True, "space": space, "metric": "loss/train", "direction": "minimize", "trials": 6, "seed": 0}
    return {**shape, **more}


def ended(lr: float, seed: int, final: float | None, status: str = "finished") -> Outcome:
    return Outcome({"lr": lr, "seed": seed}, f"r{lr}-{seed}", status, final)


@pytest.fixture
def questions(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What Optuna would be asked; it answers with one fixed point."""
    kept: list[dict[str, Any]] = []

    def answered(question: dict[str, Any]) -> list[dict[str, Any]]:
        kept.append(question)
        return [{"lr": 0.5}]

    monkeypatch.setattr("engine.search.strategies.optuna.suggest", answered)
    return kept


@pytest.mark.parametrize(("direction", "finals", "expected"), [
    ("minimize", [1.0, 2.0, 5.0], 2.0),
    ("minimize", [1.0, 2.0, math.nan], 2.0),
    ("minimize", [1.0, math.nan, math.nan], math.inf),
    ("maximize", [1.0, 2.0, math.nan], 1.0),
    ("maximize", [1.0, math.nan, math.nan], -math.inf),
    ("maximize", [1.0, 2.0], 1.5),
    ("minimize", [1.0, 2.0], 1.5),
])  # fmt: skip
def test_a_point_is_worth_the_median_of_its_seeds_with_a_diverged_one_as_the_worst(
    questions: list[dict[str, Any]], direction: str, finals: list[float], expected: float
) -> None:
    results = [ended(0.1, seed, final) for seed, final in enumerate(finals)]
    assert Optuna(setting(direction=direction)).following([*results, ended(0.1, 9, None, "failed")]) == [{"lr": 0.5}]
    assert questions[0]["known"] == [{"point": {"lr": 0.1}, "value": expected}]
    assert (questions[0]["many"], questions[0]["file"]) == (4, None)


def test_it_goes_on_once_a_round_has_ended_and_to_no_more_points_than_were_wanted(questions: list[dict[str, Any]]) -> None:
    way = Optuna(setting())
    results = [ended(lr, 0, lr) for lr in (0.1, 0.2, 0.3, 0.4)]
    out = [*results[:3], Outcome({"lr": 0.4, "seed": 0}, "r", "running")]
    assert way.following(out) == []
    assert way.waits(out)
    assert questions == []
    assert way.following(results) == [{"lr": 0.5}]
    assert questions[0]["many"] == 2
    results += [ended(lr, 0, lr) for lr in (0.5, 0.6)]
    assert way.following(results) == []
    assert not way.waits(results)
    assert len(questions) == 1


def test_the_best_is_told_with_its_runs(questions: list[dict[str, Any]]) -> None:
    results = [ended(lr, seed, lr + seed) for lr in (0.3, 0.1, 0.2) for seed in (0, 1, 2)] + [ended(0.9, 0, math.nan, "diverged")]
    found = Optuna(setting(trials=4)).result(results)
    assert found == {"best": {"knobs": {"lr": 0.1}, "value": 1.1, "runs": ["r0.1-0", "r0.1-1", "r0.1-2"]}, "tried": 4, "ended": ""}
    assert questions[0]["many"] == 0, "the last values go into the journal"
    said = strategy(setting(trials=4, **found)).sentences()
    flatters = "The best of 4 points flatters: train it with seeds that had no part in the search."
    assert said == ["Lowest loss/train of 4 points: 1.1 at lr=0.1, the median of 3 runs.", flatters]
    most = strategy(setting(trials=4, direction="maximize", **Optuna(setting(trials=4, direction="maximize")).result(results))).sentences()
    assert most == ["Highest loss/train of 4 points: 1.3 at lr=0.3, the median of 3 runs.", flatters]
    assert strategy(setting()).sentences() == []


def test_where_every_point_diverged_none_is_the_best(questions: list[dict[str, Any]]) -> None:
    found = Optuna(setting()).result([ended(0.1, 0, math.nan, "diverged"), ended(0.2, 0, math.inf)])
    assert found["best"] is None
    assert strategy(setting(**found)).sentences() == [
        "No point of 2 points has a finite loss/train.",
        "6 were wanted; nothing new could be drawn.",
    ]


@pytest.mark.parametrize(("results", "part"), [
    ([ended(0.1, 0, None), ended(0.2, 0, None)], "None of the 2 runs that ended has a value of loss/train"),
    ([ended(0.1, 0, None, "failed")], "None of the first 1 points came to anything"),
])  # fmt: skip
def test_with_nothing_to_choose_by_it_ends(questions: list[dict[str, Any]], results: list[Outcome], part: str) -> None:
    way = Optuna(setting())
    assert way.following(results) == []
    assert part in way.result(results)["ended"]
    assert questions == []


@pytest.mark.parametrize(("odd", "part"), [
    ({"space": []}, "over which knobs"),
    ({"space": [3]}, "over which knobs"),
    ({"space": [{"knob": "lr", "values": [1], "only": ["router"]}]}, "over which knobs"),
    ({"space": [{"knob": "lr"}]}, "odd axis"),
    ({"direction": "up"}, "which way is better"),
    ({"trials": 0}, "how many points"),
    ({"trials": "4"}, "how many points"),
    ({"seed": None}, "from which seed"),
])  # fmt: skip
def test_a_file_that_says_what_cannot_be_is_one_sentence(odd: dict[str, Any], part: str) -> None:
    with pytest.raises(ValueError, match=part):
        strategy(setting(**odd))


# -- the request -------------------------------------------------------------------------------------------


def test_ranges_lists_and_knobs_of_answers_make_the_space(questions: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.search.strategies.optuna.suggest", lambda _: [{"steps": 5, "router": "hash"}])
    given = {
        "steps": "1..64",
        "pace": "0.1..0.5",
        "router": "hash,free",
        "router.rate": "0..1",
        "seed": "0..2",
        "code": "1,2,3",
        "threads": "2",
    }
    plan, made = search_request(ROUTED, None, given, metric="loss/train", direction="minimize", trials=20)
    assert made["space"] == [
        {"knob": "steps", "low": 1, "high": 64, "scale": "log"},
        {"knob": "pace", "low": 0.1, "high": 0.5, "scale": "linear"},
        {"knob": "router", "values": ["hash", "free"], "scale": "list"},
        {"knob": "router.rate", "low": 0.0, "high": 1.0, "scale": "linear", "only": {"router": ["free"]}},
        {"knob": "code", "values": [1, 2, 3], "scale": "list"},
    ]
    assert (plan.base, plan.seeds) == ({"threads": 2}, (0, 1, 2))
    assert [one.flat["seed"] for one in plan.declarations] == [0, 1, 2]
    trained = {"steps": 5, "pace": 0.2, "router": "hash", "code": 1, "seed": 0}
    way = Optuna(made)
    assert way.tried([Outcome(trained, "r", "finished", 1.0)])[0].point == {"steps": 5, "pace": 0.2, "router": "hash", "code": 1}
    assert way.tried([Outcome({**trained, "steps": 65}, "r", "finished", 1.0)]) == [], "it is not in the space"


def test_a_knob_with_one_value_may_belong_to_an_answer_that_the_first_points_do_not_give(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.search.strategies.optuna.suggest", lambda _: [{"router": "hash"}])
    how = {"metric": "loss/train", "direction": "minimize", "trials": 2}
    plan, _ = search_request(ROUTED, None, {"router": "hash,free", "router.rate": "0.5"}, **how)
    assert "router.rate" not in plan.declarations[0].flat
    with pytest.raises(KnobError, match=r"router\.rate goes with router=free only"):
        search_request({**ROUTED, "knobs": [*TOY["knobs"], {**ROUTER, "choices": [HASH, FREE, {**HASH, "name": "base"}]}]}, None,
                       {"router": "hash,base", "router.rate": "0.5"}, **how)  # fmt: skip


def test_a_ladder_brings_its_values_and_a_preset_its_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.search.strategies.optuna.suggest", lambda _: [{"pace": 0.5}])
    lab = {**TOY, "presets": {"rungs": LADDER}}
    plan, made = search_request(lab, "rungs", {}, metric="loss/train", direction="minimize", trials=2)
    assert made["space"] == [{"knob": "pace", "values": [0.0, 0.5], "scale": "list"}]
    assert plan.seeds == (2,)


# -- the child ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("behave", "sentence"), [
    ("fail", "Optuna's process ended with code 3 (KeyError: 'x')."),
    ("die", "Optuna's process ended with signal SIGKILL."),
    ("hang", "Optuna did not choose the next points within 0.3 s."),
    ("nonsense", "Optuna's process did not answer with points."),
    ("nothing", "Optuna's process did not answer with points."),
    ("odd", "Optuna's process did not answer with points."),
])  # fmt: skip
def test_a_child_that_does_not_answer_is_one_sentence_and_no_guess(
    behave: str, sentence: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(started, "SAMPLER", "tests.support.fake.sampler")
    monkeypatch.setenv("FAKE_SAMPLER", behave)
    if behave == "hang":
        monkeypatch.setattr(suggest_module, "SECONDS", 0.3)
    with pytest.raises(NoSuggestion) as raised:
        suggest({})
    assert str(raised.value) == sentence
    if behave == "fail":
        way, results = Optuna(setting(), tmp_path / "s1"), [ended(0.1, 0, 1.0)]
        assert way.following(results) == []
        assert way.result(results)["ended"] == f"{sentence.removesuffix('.')}; resume the sweep to try again."


def test_without_optuna_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(NoSuggestion, match=r"needs Optuna, which is not installed here; `pip install -e '\.\[search\]'`"):
        suggest({})


def test_the_process_ends_itself_when_nobody_waits_for_it_any_more() -> None:
    import json
    import signal
    import subprocess

    late = "import time; import engine.search.sampler as s; s.answer = lambda _: time.sleep(60); s.main()"
    child = subprocess.run([sys.executable, "-c", late], input=json.dumps({"seconds": 1}), text=True, capture_output=True, timeout=60)
    assert child.returncode == -signal.SIGALRM
