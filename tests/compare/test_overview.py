"""What runs came to and what may be said of it: values by status, the document by hand, sentences from one function alone."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from engine.compare.arms import Arms, baseline_of
from engine.compare.kinds import better, kind_of, levels, worst
from engine.compare.notes import notes
from engine.compare.overview import Overview, chosen, declared, metrics_of, overview, runs_of, standing_of, step_of, time_to
from engine.core.nonfinite import jsonable
from engine.index.owner import IndexOwner
from engine.runs.ending import STATUSES, value_of
from engine.runs.series import metric_words
from engine.statistics.comparison import compare
from engine.statistics.interval import Kind
from engine.statistics.sentences import sentences
from tests.support.compared_runs import METRIC, arm, made, read_in
from tests.support.indexed_runs import Owners
from tests.support.lab_pages import ENTRIES


@pytest.fixture
def owner(owners: Owners) -> IndexOwner:
    return owners()


def arms_in(owner: IndexOwner, runs: list[str]) -> Arms:
    return chosen(owner.store, declared(owner.data, runs), None)


def compared(owner: IndexOwner, runs: list[str], **how: Any) -> Overview:
    arms = arms_in(owner, runs)
    return overview(owner.store, arms, {}, METRIC, baseline=baseline_of(arms, how.pop("baseline", None)), **how)


def test_only_a_run_that_finished_or_diverged_has_a_value() -> None:
    assert {status: jsonable(value_of(status, 1.5)) for status in STATUSES} == {
        **dict.fromkeys(STATUSES),
        "finished": 1.5,
        "diverged": "NaN",
    }
    assert value_of("finished", None) is None
    assert value_of("finished", math.inf) == math.inf, "which a comparison counts as diverged"
    assert [jsonable(step_of(status, None)) for status in ("finished", "diverged", "running", "stopped")] == ["NaN", "NaN", None, None]
    assert step_of("stopped", 7.0) == 7.0, "it was reached, whatever came then"


def test_the_document_is_the_one_of_hand(owner: IndexOwner) -> None:
    base, other = (arm(owner.data, lasts, router=router) for router, lasts in (("hash", [2, 3, 4, 5, 6]), ("base", [1, 1, 1, 1, 1])))
    document = compared(owner, read_in(owner, [*base, *other])).json()
    first, second = document["arms"]
    assert (first["runs"], second["runs"]) == ([run.run for run in base], [run.run for run in other])
    assert first["knobs"] == {"steps": 100, "lr": 1e-3, "router": "hash", "router.k": 1}
    assert (first["n"], first["median"], first["band"], first["diverged"]) == (
        *(5, 4.0, None),
        {"k": 0, "n": 5, "wilson": [0.0, pytest.approx(0.4345, abs=1e-4)]},
    )
    assert document["metric"] == METRIC
    assert document["pairs"] == [
        {
            **{"a": "router=base", "b": "router=hash", "n": 5, "difference": -3.0, "interval": [-5.0, -1.0], "p": 0.0625},
            **{"e": pytest.approx(63 / 256 * 2**5, abs=1e-9), "verdict": "too few seeds"},
            "noise_floor": pytest.approx(2.1318 * math.sqrt(2.5) * math.sqrt(2) / math.sqrt(5), abs=1e-3),
        }
    ]
    json.dumps(document, allow_nan=False)


@pytest.mark.parametrize("n", [1, 4, 5, 8])
def test_what_is_too_few_is_null(owner: IndexOwner, n: int) -> None:
    both = [arm(owner.data, [2.0 + 0.1 * s + shift for s in range(n)], lr=lr) for lr, shift in ((0.1, 0.0), (0.2, -1.0))]
    document = compared(owner, read_in(owner, both[0] + both[1])).json()
    pair = document["pairs"][0]
    assert [pair[name] is None for name in ("interval", "p", "noise_floor")] == [n < 5] * 3
    assert (document["arms"][0]["band"] is None) == (n < 8)
    assert pair["verdict"] == ("lower" if n >= 8 else "too few seeds")


def test_a_diverged_run_is_worse_than_any_and_one_that_goes_on_is_left_out(owner: IndexOwner) -> None:
    base = arm(owner.data, [2, 3, math.nan], lr=0.1)
    other = [*arm(owner.data, [1, math.nan], lr=0.2), made(owner.data, 2, [0.5], status="running", lr=0.2)]
    stopped = made(owner.data, 3, [0.1], status="stopped", lr=0.2)
    found = compared(owner, read_in(owner, [*base, *other, stopped]))
    assert [jsonable(v) for v in found.values["lr=0.2"].values()] == [1.0, "NaN", None, None]
    pair = found.json()["pairs"][0]
    assert (pair["n"], pair["difference"]) == (2, None)
    said = " ".join(one.text for one in found.sentences())
    assert "2 runs of lr=0.2 have no value of loss train and are left out." in said
    assert "in 1 pair only lr=0.2 diverged" in said
    standing = standing_of(owner.store, list(found.arms.arms[1].runs.values()))
    assert notes(found.arms, standing | dict.fromkeys(found.arms.arms[0].runs.values(), "finished")) == [
        "Not all runs have ended: 3 of 4 of lr=0.2."
    ]


def test_every_sentence_comes_from_the_one_function(owner: IndexOwner) -> None:
    grid = [made(owner.data, s, [9.0, 3.0 + s + lr + k], lr=lr, clip=float(k)) for lr in (0.1, 0.2) for k in (1, 2) for s in range(6)]
    runs = read_in(owner, grid)
    whole = compared(owner, runs)
    values = {one.name: dict(whole.values[one.name]) for one in whole.arms.arms}
    words = metric_words(METRIC)
    assert whole.sentences() == sentences(compare(METRIC, values, whole.baseline), metric=words)
    by = compared(owner, runs, by="lr")
    together = {name: values[name] for name in ("lr=0.1, clip=1", "lr=0.2, clip=1")}
    alone = [sentences(compare(METRIC, {name: values[name]}, name), metric=words) for name in ("lr=0.1, clip=2", "lr=0.2, clip=2")]
    assert by.sentences() == [*sentences(compare(METRIC, together, "lr=0.1, clip=1"), metric=words), *alone[0], *alone[1]]
    assert len(by.json()["arms"]) == 4
    assert [pair["a"] for pair in by.json()["pairs"]] == ["lr=0.2, clip=1"]


def test_the_steps_to_a_level_tell_a_run_that_missed_it(owner: IndexOwner) -> None:
    base = [made(owner.data, s, [5.0, 3.0, 1.0], lr=0.1) for s in range(2)] + [
        made(owner.data, 2, [5.0, math.nan], status="diverged", lr=0.1)
    ]
    other = [made(owner.data, 0, [5.0, 1.5], lr=0.2), made(owner.data, 1, [5.0], status="running", lr=0.2)]
    arms = arms_in(owner, read_in(owner, [*base, *other]))
    found = time_to(owner.store, arms, METRIC, 2.0, above=False, baseline=arms.arms[0])
    assert [jsonable(v) for v in found.values["lr=0.1"].values()] == [2.0, 2.0, "NaN"]
    assert list(found.values["lr=0.2"].values()) == [1.0, None]
    said = " ".join(one.text for one in found.sentences())
    assert "1 of 3 runs of lr=0.1 missed the threshold" in said
    assert "diverge" not in said


def test_runs_of_a_folder_and_metrics_that_are_one_number_a_step(owner: IndexOwner) -> None:
    run = made(owner.data, 0, [1.0])
    read_in(owner, [run])
    assert metrics_of(owner.store, arms_in(owner, [run.run])) == [METRIC]
    assert runs_of(owner.data, [run.run, run.run]) == [run.run]
    with pytest.raises(KeyError, match="No sweep"):
        runs_of(owner.data, ["s20200101-000000-moe-0000"])


def test_knobs_that_a_lab_got_later_make_no_other_arm(tmp_path: Path) -> None:
    new = {"run": "b", "lab": "moe", "preset": "collapse", "created": 1.0, "edition": 99}
    old = {**new, "run": "a", "knobs": {"seed": 0, "steps": 300, "router": {"is": "hash"}}}
    defaults = {spec["name"]: spec["default"] for spec in ENTRIES["moe"]["knobs"] if spec["kind"] != "question"}
    full = {**new, "knobs": {**defaults, "seed": 1, "data_seed": 1, "router": {"is": "hash"}}}
    arms = chosen(_Nothing(), [old, full], ENTRIES["moe"])  # type: ignore[arg-type]
    assert len(arms.arms) == 1


class _Nothing:
    def runs(self) -> list[dict[str, Any]]:
        return []


def test_what_is_known_of_a_metric() -> None:
    assert (better("loss/validation"), better("accuracy/train"), better("router/entropy"), worst("router/entropy")) == (
        *("lower", "higher"),
        *(None, "lower"),
    )
    metrics = [
        {"name": "router/dead_experts", "of": "experts", "share": False, "whole": False, "low": None, "high": None},
        {"name": "accuracy/train", "of": 0, "share": False, "whole": False, "low": 0.0, "high": 1.0},
    ]
    labs = {"probes": [{"metrics": metrics}], "labs": [{"lab": "unet", "thresholds": {"loss/fixed": [0.9, 0.8]}}]}
    assert kind_of(labs, "router/dead_experts", {"experts": 32}) == Kind(of=32)
    assert kind_of(labs, "router/dead_experts", {}) == Kind(low=0.0)
    assert kind_of(labs, "accuracy/train", {}) == Kind(low=0.0, high=1.0)
    assert kind_of(labs, "unknown", {}) == Kind()
    assert levels(labs, "unet", "loss/fixed") == [0.9, 0.8]
    assert ENTRIES["unet"]["thresholds"]["loss/fixed"]
