"""The verb `compare`: its document and its sentences, of runs and of a sweep, and its refusals in one sentence."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.declare.sweep import plan
from engine.runs.folder import all_runs
from engine.runs.spool import Spool
from engine.scheduler.sweeps import create
from tests.support.compared_runs import METRIC, arm, made
from tests.support.toy import DOCUMENT, Answer

Engine = Callable[..., Answer]


def two_arms(data: Path) -> list[str]:
    base = arm(data, [2.0, 3.0, 4.0, 5.0, 6.0, 7.0], lr=0.1)
    other = arm(data, [1.0, 1.0, 1.0, 1.0, 1.0, 1.0], lr=0.2)
    return [run.run for run in (*base, *other)]


def test_the_document_holds_arms_and_pairs_and_nothing_that_json_cannot(engine: Engine, toy_data: Path) -> None:
    code, document, err = engine("compare", *two_arms(toy_data), "--metric", METRIC, "--json")
    assert (code, err) == (0, "")
    assert list(document) == ["metric", "arms", "pairs"]
    assert [arm["knobs"]["lr"] for arm in document["arms"]] == [0.1, 0.2]
    assert {"knobs", "runs", "n", "median", "band", "diverged"} <= document["arms"][0].keys()
    pair = document["pairs"][0]
    assert list(pair) == ["a", "b", "n", "difference", "interval", "p", "verdict", "e", "noise_floor"]
    assert (pair["a"], pair["b"], pair["n"], pair["difference"], pair["interval"], pair["p"], pair["verdict"]) == (
        *("lr=0.2", "lr=0.1", 6, -3.5),
        *([-5.0, -2.0], 0.03125, "lower"),
    )
    json.dumps(document, allow_nan=False)


def test_a_person_reads_sentences(engine: Engine, toy_data: Path) -> None:
    runs = [*two_arms(toy_data), made(toy_data, 9, [1.0], status="stopped", lr=0.2).run]
    code, out, _ = engine("compare", *runs, "--metric", METRIC, "--baseline", "lr=0.2")
    assert code == 0
    assert out.splitlines()[0] == "loss/train of 13 runs of moe; the baseline is lr=0.2."
    assert "1 run of lr=0.2 has no value of loss train and is left out." in out
    assert "lr=0.1 is higher than lr=0.2 on average: p = 0.0312 by the sign-flip test over 6 pairs." in out


def test_diverged_runs_leave_no_mean_and_no_number_that_is_none(engine: Engine, toy_data: Path) -> None:
    runs = [*arm(toy_data, [2.0, 2.0], lr=0.1), *arm(toy_data, [math.nan, 1.0], lr=0.2)]
    document = engine("compare", *(run.run for run in runs), "--metric", METRIC, "--json")[1]
    assert document["pairs"][0] == {
        **{"a": "lr=0.2", "b": "lr=0.1", "n": 2, "difference": None, "interval": None, "p": None},
        **{"verdict": "too few seeds", "e": pytest.approx(0.5), "noise_floor": None},
    }
    assert document["arms"][1]["diverged"]["k"] == 1


def test_a_sweep_is_its_runs(engine: Engine, toy_data: Path) -> None:
    toy = DOCUMENT["labs"][0]
    sweep, _ = create(toy_data, toy, plan(toy, None, {"threads": "1,2", "seed": "0..1", "steps": "3"}))
    for folder in all_runs(toy_data):
        value = float((folder.spec() or {})["knobs"]["threads"])
        Spool(folder.path / "spool.1.bin", folder.run).log(0, {(METRIC, ""): value})
        folder.write_exit("finished", code=0)
    document = engine("compare", sweep.id, "--metric", METRIC, "--by", "threads", "--json")[1]
    assert [(arm["knobs"]["threads"], arm["n"], arm["median"]) for arm in document["arms"]] == [(1, 2, 1.0), (2, 2, 2.0)]


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["20200101-000000-moe-0000", "--metric", METRIC], 5, 'No run "20200101-000000-moe-0000"'),
        (["s20200101-000000-moe-0000", "--metric", METRIC], 5, 'No sweep "s20200101-000000-moe-0000"'),
        (["RUN", "--metric", "loss/trian"], 5, 'No run of moe here has the metric "loss/trian"; metrics are loss/train.'),
        (["RUN", "--metric", METRIC, "--by", "lr"], 2, 'The runs do not differ in "lr"; they differ in their seeds only.'),
        (["RUN", "--metric", METRIC, "--baseline", "sgd"], 2, 'The baseline "sgd" fits no arm; the arms are collapse.'),
        (["RUN"], 2, "--metric"),
    ],
)
def test_what_cannot_be_compared_is_refused(engine: Engine, toy_data: Path, words: list[str], code: int, sentence: str) -> None:
    run = made(toy_data, 0, [1.0]).run
    found, out, err = engine("compare", *(run if word == "RUN" else word for word in words))
    assert (found, out) == (code, "")
    assert sentence in err
    assert err.count("\n") == 1
