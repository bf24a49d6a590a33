"""The form: a field for every knob, a sentence for every refusal, a mark on every change."""

from __future__ import annotations

import re
from collections import OrderedDict
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from engine.core.files import write_json
from engine.declare.resolve import Declaration, resolve
from engine.declare.revise import changes, described, request_of
from engine.declare.rules import broken
from engine.runs.folder import run_folder
from engine.scheduler import estimate
from engine.server.service import Service
from tests.pages.test_pages import opened, said
from tests.support.lab_pages import ENTRIES, button, collapse, fields


@pytest.mark.parametrize("lab", ENTRIES)
def test_the_form_has_one_field_for_every_knob_of_every_lab(lab_service: Service, lab: str) -> None:
    preset = next(iter(ENTRIES[lab]["presets"]))
    test = opened("build.py", lab=lab, preset=preset)
    assert set(fields(test)) == set(described(ENTRIES[lab], resolve(ENTRIES[lab], preset, {}).shown))
    for spec in ENTRIES[lab]["knobs"]:
        for choice in spec["choices"] if spec["kind"] == "question" else ():
            test = opened("build.py", lab=lab, preset=preset, knobs=f"{spec['name']}={choice['name']}")
            inner = {f"{spec['name']}.{one['name']}" for one in choice["knobs"]}
            assert {name for name in fields(test) if name.startswith(f"{spec['name']}.")} == inner
            assert choice["idea"] in said(test)


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("lr", "-1", "lr=-1 is out of bounds; give a number from 0 to 10000."),
        ("steps", "many", "steps=many is not a number"),
        ("seed", "0.5", "seed=0.5 is not a whole number"),
        ("steps", "", "steps received nothing"),
        ("router.k", "65", "router.k=65 is out of bounds"),
        ("device", "abacus", "device=abacus is no device"),
    ],
)
def test_a_bad_value_is_answered_in_one_sentence_and_cannot_be_launched(lab_service: Service, name: str, value: str, sentence: str) -> None:
    test = opened("build.py", lab="moe", preset="collapse")
    fields(test)[name].set_value(value)
    test.run()
    assert not test.exception
    assert sentence in said(test)
    assert len({e.value for e in test.error}) == 1
    assert button(test, "Launch").disabled
    assert button(test, "Launch with its cure").disabled
    assert not test.code, "no command line for what cannot be run"


def test_a_changed_field_is_marked_shown_as_a_command_and_launched(lab_service: Service) -> None:
    test = opened("build.py", lab="moe", preset="collapse")
    apart = "What the preset Collapse does without these changes: "
    assert "The same as the preset Collapse" in said(test)
    assert apart not in said(test)
    assert test.code[0].value == "python -m engine run moe --preset collapse"
    fields(test)["lr"].set_value("3e-3")
    test.run()
    assert "1 changed" in said(test)
    assert "was 0.001" in said(test)
    assert apart in said(test), "the story is of the preset, not of what the form shows"
    assert test.code[0].value == "python -m engine run moe --preset collapse lr=0.003"
    assert test.query_params["knobs"] == "lr=0.003", "the link carries the change"
    button(test, "Launch").click()
    test.run()
    run = test.query_params["run"]
    spec = run_folder(lab_service.data, run if isinstance(run, str) else run[0]).spec() or {}
    assert (spec["preset"], spec["knobs"]["lr"]) == ("collapse", 0.003)


def test_another_answer_brings_its_own_knobs_and_may_leave_the_cure_nothing_to_do(lab_service: Service) -> None:
    test = opened("build.py", lab="moe", preset="collapse")
    fields(test)["router"].set_value("hash")
    test.run()
    assert [name for name in fields(test) if name.startswith("router.")] == ["router.table"]
    assert button(test, "Launch with its cure").disabled
    assert not button(test, "Launch").disabled
    assert test.code[0].value.endswith("--preset collapse router=hash router.table=modulo")


@pytest.mark.parametrize(("lab", "preset", "words"), [
    ("moe", "collapse", "Launch with its cure"),
    ("consistency", "calm", "Launch both"),
    ("consistency", "smooth_drift", "Launch both"),
    ("moe", "burst_spam", "Launch both"),
])  # fmt: skip
def test_only_what_cures_on_record_is_called_a_cure(lab_service: Service, lab: str, preset: str, words: str) -> None:
    test = opened("build.py", lab=lab, preset=preset)
    assert [b.label for b in test.button if b.label.startswith("Launch")] == ["Launch", words]


def test_duplicate_fills_the_form_from_the_run_and_marks_what_leaves_it(lab_service: Service) -> None:
    run = collapse(lab_service.data, lr=0.02, seed=3)
    test = opened("build.py", **{"from": run})
    assert f"The same as the run `{run}`" in said(test)
    assert (fields(test)["lr"].value, fields(test)["seed"].value, fields(test)["data_seed"].value) == ("0.02", "3", "")
    assert "changed" not in said(test)
    assert "What the preset Collapse does without these changes: " in said(test), "that run had another learning rate"
    fields(test)["seed"].set_value("4")
    test.run()
    assert "1 changed" in said(test)
    assert "was 3" in said(test)
    assert test.code[0].value == "python -m engine run moe --preset collapse seed=4 device=cpu lr=0.02"


def test_duplicating_a_run_that_is_gone_says_so(lab_service: Service) -> None:
    test = opened("build.py", **{"from": "20260101-000000-moe-beef"})
    assert "There is no run `20260101-000000-moe-beef` to duplicate" in said(test)
    assert fields(test)


def test_what_an_old_run_had_and_the_lab_no_longer_has_is_named() -> None:
    lab = ENTRIES["moe"]
    spec = {"preset": "vanished", "knobs": resolve(lab, "collapse", {}).nested | {"phlogiston": 3, "steps": -4}}
    preset, knobs, lost = request_of(lab, spec)
    assert preset is None
    assert lost == ["preset vanished", "steps=-4", "phlogiston"]
    assert knobs["steps"] == 300


@pytest.mark.parametrize("preset", ENTRIES["moe"]["presets"])
def test_preset_and_what_leaves_it_give_the_declaration_again(preset: str) -> None:
    lab = ENTRIES["moe"]
    for over in ({}, {"lr": 0.5}, {"router": "hash"}, {"router": "loss_free", "router.k": 2}, {"data_seed": 7}):
        declared = resolve(lab, preset, over)
        _, knobs, _ = request_of(lab, {"preset": preset, "knobs": declared.nested})
        assert resolve(lab, preset, changes(resolve(lab, preset, {}), knobs)).flat == declared.flat
        assert resolve(lab, preset, declared.changed).flat == declared.flat


def test_an_estimate_comes_from_runs_of_the_same_size_alone(lab_service: Service) -> None:
    lab = ENTRIES["moe"]
    declared = resolve(lab, "collapse", {"device": "cpu"})
    assert estimate.seconds(lab_service.data, declared) is None
    assert "No estimate yet" in said(opened("build.py", lab="moe", preset="collapse"))
    for _ in range(2):
        folder = run_folder(lab_service.data, collapse(lab_service.data, lr=0.1, steps=7))
        (folder.path / "state.json").write_text('{"step": 7, "step_seconds": 0.5}')
    assert estimate.seconds(lab_service.data, declared) == (150.0, 2)
    assert estimate.seconds(lab_service.data, resolve(lab, "collapse", {"device": "cpu", "d_model": 128})) is None
    assert "about 2 min, as measured in 2 earlier runs" in said(opened("build.py", lab="moe", preset="collapse", knobs="device=cpu"))


def test_a_request_is_resolved_once_for_form_estimate_command_twin_and_launch(
    lab_service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The preset alone, the preset with its changes, the twin with the same: three requests, however often the page runs."""
    computed: list[Any] = []
    checked: list[Any] = []  # every computation ends with the rules between knobs, whoever asked for it and by whatever name

    def counting(*request: Any) -> Declaration:
        computed.append(request[1:])
        return resolve(*request)

    def checking(*against: Any) -> list[str]:
        checked.append(against)
        return broken(*against)

    monkeypatch.setattr("pages.parts.cards.how_long", lambda *_: "")  # the gallery, which opens first, asks for every preset
    monkeypatch.setattr("engine.declare.resolve.resolve", counting)
    monkeypatch.setattr("engine.declare.resolve.broken", checking)
    monkeypatch.setattr("engine.declare.resolve._known", OrderedDict())
    test = opened("build.py", lab="moe", preset="collapse", knobs="lr=3e-3")
    assert computed == [("collapse", {}), ("collapse", {"lr": 0.003}), ("collapse_cured", {"lr": 0.003})]
    test.run()
    assert len(computed) == len(checked) == 3, "a rerun without change"
    button(test, "Launch with its cure").click()
    test.run()
    assert len(list((lab_service.data / "runs").iterdir())) == 2
    assert len(computed) == len(checked) == 4, "the launch of both, and the run page, which holds the cured run against its preset"
    test = opened("build.py", lab="moe", preset="collapse", knobs="lr=3e-3")
    button(test, "Launch").click()
    test.run()
    assert len(list((lab_service.data / "runs").iterdir())) == 3
    assert len(computed) == len(checked) == 4, "another person's form, and the launch of one"


def test_what_breaks_and_what_cures_is_open_and_the_rest_is_folded(lab_service: Service) -> None:
    test = opened("build.py", lab="moe", preset="collapse")
    assert [one.value for one in test.header][:2] == ["Stressors", "Remedies"]
    assert folded(test) == {"seed": ("12 knobs", False), "precision": ("10 knobs", False), "probes": ("1 knob", False)}
    test = opened("build.py", lab="moe", preset="collapse", knobs="experts=16")
    assert folded(test)["precision"] == ("10 knobs, 1 changed", True), "a change is never out of sight"
    assert not folded(test)["seed"][1]


def folded(test: AppTest) -> dict[str, tuple[str, bool]]:
    """The first knob of each folded group -> what its label counts, and whether it is open."""
    groups = [one for one in test.expander if re.match(r"\d+ knobs?\b", one.label)]
    return {names.partition(",")[0]: (count, one.proto.expanded) for one in groups for count, _, names in [one.label.partition(": ")]}


def test_a_group_is_open_while_a_knob_of_it_is_refused_and_does_not_shut_when_it_is_put_back(lab_service: Service) -> None:
    test = opened("build.py", lab="moe", preset="collapse")
    for value, counted in (("many", "1 refused"), ("17", "1 changed"), ("300", "")):
        fields(test)["steps"].set_value(value)
        test.run()
        assert folded(test)["seed"] == (", ".join(filter(None, ["12 knobs", counted])), True)
    assert "The same as the preset Collapse" in said(test)
    assert not folded(opened("build.py", lab="moe", preset="collapse"))["seed"][1], "another visit begins folded"


def test_a_duplicate_opens_folded_until_something_leaves_the_run(lab_service: Service) -> None:
    test = opened("build.py", **{"from": collapse(lab_service.data, experts=16, seed=3)})
    assert not any(is_open for _, is_open in folded(test).values())
    fields(test)["experts"].set_value("8")
    test.run()
    assert folded(test)["precision"] == ("10 knobs, 1 changed", True)


def test_kernels_cannot_be_chosen_where_there_is_no_gpu(lab_service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pages.parts.knobs.form.gpus", lambda: [])
    test = opened("build.py", lab="moe", preset="collapse")
    assert fields(test)["kernels"].disabled
    assert "No CUDA device is here, so every run takes the references." in said(test)
    monkeypatch.setattr("pages.parts.knobs.form.gpus", lambda: ["cuda:0"])
    assert not fields(opened("build.py", lab="moe", preset="collapse"))["kernels"].disabled


def test_the_price_of_probes_is_what_runs_of_that_size_measured_here(lab_service: Service) -> None:
    run = collapse(lab_service.data)
    folder = run_folder(lab_service.data, run)
    write_json(folder.path / "state.json", {"step_seconds": 0.1, "probe_share": 0.2})
    young = opened("build.py", lab="moe", preset="collapse", knobs="device=cpu")
    assert "is not measured on this machine yet" in said(young), "the first steps measure more than the later ones"
    folder.write_exit("finished", code=0)
    test = opened("build.py", lab="moe", preset="collapse", knobs="device=cpu")
    assert "The probes up to `cheap` add 25 % to the rest of a step, as measured in one earlier run of this size." in said(test)
    fields(test)["probes"].set_value("dear")
    test.run()
    assert "What the probes up to `dear` add to a step is not measured on this machine yet." in said(test)
