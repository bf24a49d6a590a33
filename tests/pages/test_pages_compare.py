"""The page Compare in every state a person can meet it in, without a browser."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from engine.compare.arms import baseline_of
from engine.compare.notes import notes
from engine.compare.overview import chosen, declared, overview, standing_of, time_to
from engine.runs.folder import run_folder
from engine.runs.spool import Spool
from engine.server.service import Service
from pages.parts.compare.picture import ComparisonPicture, pictures
from pages.parts.plain import plain
from tests.pages.test_pages import LAB, opened, said, taken_in
from tests.pages.test_plain_text import active, shown
from tests.support.compared_runs import METRIC, arm, made
from tests.support.hostile_text import MANY
from tests.support.made_runs import MadeRun


def page(lab_service: Service, runs: list[MadeRun], **query: str) -> AppTest:
    lab_service.owner.catch_up()
    return opened("compare.py", run=",".join(run.run for run in runs), **query)


def two_arms(lab_service: Service, n: int) -> list[MadeRun]:
    random = np.random.default_rng(n)
    base = arm(lab_service.data, random.normal(5, 0.3, n).tolist(), router="hash")
    return [*base, *arm(lab_service.data, random.normal(4, 0.3, n).tolist(), router="loss_free")]


def drawn(test: AppTest) -> list[str]:
    return [heading.removeprefix("##### ") for heading in (m.value for m in test.markdown) if heading.startswith("##### ")]


def verdicts(test: AppTest) -> list[str]:
    """The sentences below the heading, block by block."""
    texts = [m.value for m in test.markdown if not m.value.startswith("##### ")]
    return [text for text in texts if text.endswith(".") and ("router=" in text or "noise floor" in text.lower() or "Intervals" in text)]


@pytest.mark.parametrize("n", [1, 4, 5, 8])
def test_what_is_drawn_and_said_goes_by_the_number_of_seeds(lab_service: Service, n: int) -> None:
    runs = two_arms(lab_service, n)
    test = page(lab_service, runs)
    assert drawn(test)[:4] == ["Curves", "Final values", "Differences, pair by pair", "Share diverged"]
    text = said(test)
    assert ("prediction interval" in text) == (n >= 8)
    assert ("90 % interval of the mean" in text) == (n >= 5)
    assert ("more seeds" in text.replace("4 more seeds**", "")) == (n < 6)
    assert ("is lower than" in text) == (n >= 8)
    table = test.table[0].value
    assert list(table["seeds in"]) == [f"{n} of {n}"] * 2
    assert "router" in table.columns
    assert "lr" not in table.columns, "only what differs"


def test_every_sentence_on_the_page_comes_from_the_one_function(lab_service: Service) -> None:
    for lasts, other in (([2, 3, 4], [1, math.nan, 2]), ([2, 3, 4, 5, 6, 7, 8, 9], [1, 1, 1, 1, math.nan, 1, 1, 1])):
        runs = [*arm(lab_service.data, lasts, router="hash"), *arm(lab_service.data, other, router="loss_free")]
        test = page(lab_service, runs)
        specs = declared(lab_service.data, [run.run for run in runs])
        arms = chosen(lab_service.store, specs, None)
        found = overview(lab_service.store, arms, {}, METRIC, baseline=baseline_of(arms, None))
        level = float(test.select_slider[0].value)
        times = time_to(lab_service.store, arms, METRIC, level, above=False, baseline=arms.arms[0])
        blocks = " ".join(verdicts(test)).replace("**", "")
        for sentence in sorted({plain(one.text) for one in (*found.sentences(), *times.sentences())}, key=len, reverse=True):
            assert sentence in blocks
            blocks = blocks.replace(sentence, "")
        assert not blocks.strip(), "nothing else is said"


def test_a_running_run_is_counted_as_not_in_and_the_page_looks_again(lab_service: Service) -> None:
    runs = [*arm(lab_service.data, [2, 3], lr=0.1), *arm(lab_service.data, [1], lr=0.2)]
    going = made(lab_service.data, 1, [0.5], status="running", lr=0.2)
    test = page(lab_service, [*runs, going])
    assert list(test.table[0].value["seeds in"]) == ["2 of 2", "1 of 2"]
    assert "Not all runs have ended: 1 of 2 of lr=0.2." in said(test)
    going.log({METRIC: 0.25})
    going.end()
    lab_service.owner.catch_up()
    test.run()
    assert list(test.table[0].value["seeds in"]) == ["2 of 2", "2 of 2"]
    assert "Not all runs have ended" not in said(test)


def test_runs_that_share_no_seed_are_not_compared_pair_by_pair(lab_service: Service) -> None:
    first = arm(lab_service.data, [2, 3], lr=0.1)
    other = [made(lab_service.data, seed, [9.0, 1.0], lr=0.2) for seed in (7, 8)]
    test = page(lab_service, [*first, *other])
    assert "share no seed and data order" in said(test)
    assert "Differences, pair by pair" not in drawn(test)


def test_one_arm_alone_has_no_baseline_to_choose(lab_service: Service) -> None:
    test = page(lab_service, arm(lab_service.data, [2, 3]))
    assert [box.label for box in test.selectbox] == ["Metric"]
    assert "2 runs" in said(test)
    assert "minus" not in said(test)


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"run": "20200101-000000-moe-0000"}, "There is no run `20200101-000000-moe-0000`"),
        ({"sweep": "s20200101-000000-moe-0000"}, "There is no sweep `s20200101-000000-moe-0000`"),
        ({"sweep": "../../etc"}, "There is no sweep `../../etc`"),
        ({}, "Tick runs"),
    ],
)
def test_an_address_that_names_nothing_says_so_in_one_sentence(lab_service: Service, query: dict[str, str], words: str) -> None:
    test = opened("compare.py", **query)
    links = [link.proto.label for link in test.get("page_link")]
    assert words in said(test) or any(words in label for label in links)
    assert len(test.error) == bool(query)


@pytest.mark.parametrize("word", ["metric", "baseline", "by"])
def test_a_word_in_the_address_that_fits_nothing_gets_one_sentence(lab_service: Service, word: str) -> None:
    grid = [made(lab_service.data, 0, [3.0, lr + k], lr=lr, clip=float(k)) for lr in (0.1, 0.2) for k in (1, 2)]
    test = page(lab_service, grid, **{word: "no such"})
    assert [error.value for error in test.error if f"`{word}=no such`" in error.value]
    assert "Final values" in drawn(test)


def test_a_threshold_stands_in_the_address_and_a_link_restores_it(lab_service: Service) -> None:
    runs = [*arm(lab_service.data, [2, 3], lr=0.1), *arm(lab_service.data, [1, 4], lr=0.2)]
    test = page(lab_service, runs)
    assert "threshold" not in test.query_params, "nobody has chosen one"
    slider = test.select_slider(key="threshold")
    slider.set_value(float(slider.options[-1])).run()
    assert float(test.query_params["threshold"][0]) == float(slider.options[-1])
    linked = page(lab_service, runs, threshold="3.25")
    assert linked.select_slider(key="threshold").value == 3.25, "also one that the slider does not offer by itself"
    assert f"The same of the steps to {METRIC} at most 3.25" in [one.label for one in linked.expander]
    other = linked.selectbox(key="metric").options
    assert other == [METRIC], "runs of one metric"
    for wrong in ("deep", "nan", "1e999", ""):
        odd = page(lab_service, runs, threshold=wrong)
        assert [error.value for error in odd.error if f"`threshold={wrong}`" in error.value]
        assert not odd.exception


def test_a_threshold_goes_with_its_metric(lab_service: Service) -> None:
    runs = arm(lab_service.data, [2, 3], lr=0.1)
    for run in runs:
        Spool(run.folder.path / "spool.2.bin", run.run, attempt=2, start=3).log(3, {(METRIC, ""): 1.0, ("grad_norm", ""): 5.0})
        assert run.folder.status() == "finished"
    test = page(lab_service, runs, threshold="2.5")
    assert "grad_norm" in test.selectbox(key="metric").options
    test.selectbox(key="metric").set_value("grad_norm").run()
    assert "threshold" not in test.query_params


def test_a_missing_run_is_named_and_the_others_are_compared(lab_service: Service) -> None:
    runs = arm(lab_service.data, [2, 3], lr=0.1)
    lab_service.owner.catch_up()
    test = opened("compare.py", run=",".join([runs[0].run, "20200101-000000-moe-0000", runs[1].run]))
    assert "There is no run `20200101-000000-moe-0000`" in test.error[0].value
    assert "2 runs" in said(test)


def test_the_metric_is_explained_where_a_probe_does(lab_service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = arm(lab_service.data, [2, 3], lr=0.1)
    assert not [one for one in page(lab_service, runs).caption if one.value.startswith(f"`{METRIC}`")]
    told = [{"name": "loss_train", "metrics": [{"name": METRIC, "about": "mean loss of the batch"}]}]
    document = lab_service.labs() | {"probes": told}
    monkeypatch.setattr(Service, "labs", lambda self: document)
    assert [one.value for one in page(lab_service, runs).caption if "mean loss of the batch" in one.value]


def test_runs_of_two_labs_are_refused(lab_service: Service) -> None:
    one = made(lab_service.data, 0, [1.0])
    other = run_folder(lab_service.data, one.run).path.with_name(one.run.replace("-moe-", "-unet-"))
    other.mkdir()
    text = (one.folder.path / "spec.json").read_text().replace('"lab": "moe"', '"lab": "unet"').replace('"lab":"moe"', '"lab":"unet"')
    (other / "spec.json").write_text(text)
    lab_service.owner.catch_up()
    test = opened("compare.py", run=f"{one.run},{other.name}")
    assert "of the labs moe, unet" in test.error[0].value


def test_by_one_knob_the_other_arms_stand_alone(lab_service: Service) -> None:
    grid = [made(lab_service.data, s, [3.0, lr + k + s], lr=lr, clip=float(k)) for lr in (0.1, 0.2) for k in (1, 2) for s in range(2)]
    test = page(lab_service, grid, by="lr")
    text = said(test)
    assert "lr=0.2, clip=1 minus lr=0.1, clip=1" in text
    assert "lr=0.2, clip=2 minus" not in text
    assert "Against the knob" in drawn(test)


def test_three_knobs_that_differ_are_drawn_side_by_side(lab_service: Service) -> None:
    grid = [
        made(lab_service.data, 0, [3.0, lr], lr=lr, clip=float(k), router=router)
        for lr in (0.1, 0.2)
        for k in (1, 2)
        for router in ("a", "b")
    ]
    assert drawn(page(lab_service, grid))[-1] == "Knobs and outcome"


def test_a_hundred_runs_make_a_page_of_less_than_a_megabyte(lab_service: Service) -> None:
    random = np.random.default_rng(0)
    curve = np.exp(-np.arange(600) / 200) + 3
    values = [(curve + random.normal(0, 0.1, 600)).tolist() for _ in range(100)]
    runs = [made(lab_service.data, n // 4, one, lr=0.1 * (1 + n % 4)) for n, one in enumerate(values)]
    test = page(lab_service, runs)
    assert "100 runs" in said(test)
    size = sum(len(node.proto.SerializeToString()) for node in everything(test))
    assert size < 1_000_000, f"{size:,} bytes"
    assert "a comparison holds 100" in said(test)


def everything(test: AppTest) -> list[Any]:
    waiting: list[Any] = [test._tree]
    out = []
    while waiting:
        node = waiting.pop()
        waiting += list(getattr(node, "children", {}).values())
        if getattr(node, "proto", None) is not None and not getattr(node, "children", {}):
            out.append(node)
    return out


def test_names_of_runs_and_knobs_stay_text(lab_service: Service) -> None:
    runs = [
        made(lab_service.data, seed, [3.0, value], preset=MANY, router=MANY, **{"kind": text, "evil": text})
        for text, value in ((MANY, 1.0), ("b", 2.0))
        for seed in range(2)
    ]
    test = page(lab_service, runs)
    assert active(test) == []
    assert shown(test)


def test_notes_name_what_repeats_a_seed(lab_service: Service) -> None:
    runs = [*arm(lab_service.data, [1, 2]), made(lab_service.data, 0, [9.0])]
    lab_service.owner.catch_up()
    arms = chosen(lab_service.store, declared(lab_service.data, [run.run for run in runs]), None)
    assert notes(arms, standing_of(lab_service.store, [run.run for run in runs])) == [
        "collapse: 1 run repeats a seed and data order; of such runs only the first that finished or diverged counts."
    ]


def test_every_picture_has_a_title_and_one_sentence() -> None:
    found, broken = pictures()
    assert broken == []
    assert next(iter(found)) == "curves"
    for name, one in found.items():
        assert type(one).title != ComparisonPicture.__name__, name
        assert one.about.endswith(".")
        assert len(one.about) <= 200


def test_the_pages_lead_to_the_comparison(lab_service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    assert LAB["lab"] == "moe"
    runs = arm(lab_service.data, [1, 2])
    taken_in(lab_service, *runs)
    test = opened("run.py", run=",".join(run.run for run in runs))
    assert "Compare seed=0 and seed=1" in [link.proto.label for link in test.get("page_link")]


def test_a_run_that_cannot_be_read_is_left_out_and_named(lab_service: Service) -> None:
    runs = arm(lab_service.data, [1, 2])
    newer = made(lab_service.data, 5, [3.0])
    (newer.folder.path / "spec.json").write_text('{"format": 99}')
    test = page(lab_service, [*runs, newer])
    assert f"`{newer.run}` cannot be read" in test.warning[0].value
    assert list(test.table[0].value["seeds in"]) == ["2 of 2"]
