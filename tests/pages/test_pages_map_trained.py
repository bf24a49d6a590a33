"""Maps whose cells are trained: the form says what it comes to, the page shows what stands, and a cell opens as its runs."""

from __future__ import annotations

import json
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from engine.runs.folder import RunFolder, all_runs
from engine.runs.sweep_file import member_runs, read_sweep, sweep_ids
from engine.scheduler import control
from engine.server.service import Service
from pages.parts.plain import code
from tests.pages.test_pages import opened, said
from tests.support.hostile_text import HOSTILE
from tests.support.indexed_runs import spool_of
from tests.support.lab_pages import button


def made(lab: Service, **given: str) -> str:
    preview = lab.sweeps.preview_map("moe", "collapse", {"lr": "1e-4..1", "clip": "0,1", "seed": "0..1", **given}, first=3, refine=2)
    return lab.sweeps.launch_map(preview, "ann")


def end(lab: Service, diverging: float, running: int = 0) -> None:
    """End the queued runs, those with a rate of at least `diverging` as diverged."""
    for folder in all_runs(lab.data)[running:]:
        knobs = (folder.spec() or {})["knobs"]
        if folder.status() == "queued":
            folder.write_exit("diverged" if knobs["lr"] >= diverging else "finished")
    lab.owner.catch_up()


def picture(test: AppTest) -> dict[str, Any]:
    return json.loads(next(element.proto.json for element in test.get("bidi_component") if element.proto.json))


def test_from_the_form_to_the_map_by_one_press(lab_service: Service) -> None:
    test = opened("map.py", lab="moe")
    key = "map:moe"
    test.selectbox(key=f"{key}:preset").set_value("collapse")
    test.text_input(key=f"{key}:range:lr").set_value("1e-4..1e-1")
    test.multiselect(key=f"{key}:y:router").set_value(["loss_free", "softmax_top_k"])
    test.number_input(key=f"{key}:seeds").set_value(2)
    test.text_input(key=f"{key}:fixed").set_value("steps=60 device=cpu")
    test.run()
    assert not test.exception
    assert "20 runs" in said(test)
    assert "20 of 20 not measured yet" in said(test)
    assert "where neighbours disagree it is refined, up to 132 runs" in said(test)
    (command,) = (one.value for one in test.code)
    assert command == (
        "python -m engine map moe --preset collapse lr=1e-4..1e-1 router=loss_free,softmax_top_k seed=0..1 steps=60 device=cpu "
        "--cells 5 --refine 3 --metric loss/train"
    )
    button(test, "Train 20 runs").click()
    test.run()
    (name,) = sweep_ids(lab_service.data)
    assert test.query_params["sweep"] in (name, [name])
    sweep = read_sweep(lab_service.data, name)
    assert sweep.open
    assert len(all_runs(lab_service.data)) == 20
    (bar,) = test.get("progress")
    assert bar.proto.text == "0 of 20 runs have ended. It is refined where neighbours disagree."


@pytest.mark.parametrize(("field", "value", "part"), [
    (":range:lr", "1..1e-4", "does not go upwards"),
    (":range:lr", "1e-4..1e9", "out of bounds"),
    (":range:lr", "many", "not a number"),
    (":fixed", "stps=3", 'did you mean "steps"'),
    (":fixed", "steps", "is not KNOB=VALUE"),
    (":fixed", "steps=60 steps=70", "steps was given twice"),
    (":fixed", "lr=0.01 steps=60", "lr stands above and in Other knobs"),
    (":fixed", "seed=7", "seed stands above and in Other knobs"),
    (":level", "high", "is no number"),
])  # fmt: skip
def test_what_makes_no_map_is_one_sentence_and_starts_nothing(lab_service: Service, field: str, value: str, part: str) -> None:
    test = opened("map.py", lab="moe")
    test.text_input(key=f"map:moe{field}").set_value(value)
    test.run()
    assert not test.exception
    assert any(part in error.value.replace("\\", "") for error in test.error), [error.value for error in test.error]
    assert not [one for one in test.button if one.label.startswith("Train")]


def test_kernels_are_an_axis_only_where_a_gpu_would_run_them(lab_service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    for devices in ([], ["NVIDIA H100"]):
        monkeypatch.setattr("pages.parts.sweeps.form.gpus", lambda devices=devices: devices)
        test = opened("map.py", lab="moe")
        assert ("kernels" in test.selectbox(key="map:moe:y").options) == bool(devices)


def test_the_picture_shows_what_stands_and_a_cell_its_runs(lab_service: Service) -> None:
    name = made(lab_service)
    test = opened("map.py", sweep=name)
    assert not test.exception
    data = picture(test)
    assert data["svg"].count('class="fl-spot"') == 6
    assert data["svg"].count('fill="url(#fl-wait)"') == 6, "nothing is known yet"
    assert data["cells"]["0 0"] == "lr=0.0001 clip=0: 2 still go on."
    end(lab_service, 1.0)
    data = picture(opened("map.py", sweep=name, cell="8-0"))
    assert data["cells"]["8 0"] == "lr=1 clip=0: 2 of 2 runs diverged."
    assert 'd="M' in data["svg"], "the boundary"
    test = opened("map.py", sweep=name, cell="8-0")
    assert "2 of 2 runs diverged" in said(test)
    links = [link.proto.label for link in test.get("page_link")]
    assert [label for label in links if label.startswith("seed")] == [
        "seed 0: diverged, loss/train no number",
        "seed 1: diverged, loss/train no number",
    ]
    assert "All of them on one page" in links


def test_what_the_address_cannot_mean_is_one_sentence(lab_service: Service) -> None:
    assert any("There is no sweep" in error.value for error in opened("map.py", sweep="s20260101-000000-moe-0000").error)
    assert any("There is no lab" in error.value for error in opened("map.py", lab="moo").error)
    for text in (HOSTILE["picture"], HOSTILE["HTML link"]):
        for query in ({"sweep": text}, {"lab": text}):
            test = opened("map.py", **query)
            assert not test.exception
            (message,) = (error.value for error in test.error)
            assert "](" not in message.replace(code(text), "")
    plain_sweep = lab_service.sweeps.launch(lab_service.sweeps.preview("moe", "collapse", {"seed": "0..1"}))
    assert any("cannot be shown as a map" in error.value for error in opened("map.py", sweep=plain_sweep).error)


def test_a_map_is_stopped_and_goes_on_by_a_press(lab_service: Service) -> None:
    name = made(lab_service)
    test = opened("map.py", sweep=name)
    button(test, "Stop").click()
    test.run()
    assert not read_sweep(lab_service.data, name).open
    lab_service.owner.catch_up()
    test = opened("map.py", sweep=name)
    button(test, "Go on").click()
    test.run()
    assert read_sweep(lab_service.data, name).open


def test_sensitivity_stands_beside_a_map_over_the_learning_rate(lab_service: Service) -> None:
    name = made(lab_service)
    runs = [run for run in member_runs(lab_service.data, read_sweep(lab_service.data, name)).values() if run]
    for run in runs:
        folder = RunFolder(lab_service.data / "runs" / run)
        rate = (folder.spec() or {})["knobs"]["lr"]
        spool = spool_of(folder)
        for step, value in enumerate((4.0, {0.0001: 3.0, 0.01: 1.0, 1.0: 9.0}[rate])):
            assert spool.log(step, {("loss/train", ""): value})
        spool.close()
    end(lab_service, 1.0)
    test = opened("map.py", sweep=name)
    (table,) = (frame.value for frame in test.dataframe)
    assert list(table["sensitivity"]) == ["1.67", "1.67"], "the mean of 3 - 1, 1 - 1 and 4 - 1, for the diverged counts as its first loss"


def test_a_deleted_run_is_no_longer_waited_for_and_is_said(lab_service: Service) -> None:
    name = made(lab_service)
    end(lab_service, 1.0)
    control.delete(all_runs(lab_service.data)[0])
    lab_service.owner.catch_up()
    (bar,) = opened("map.py", sweep=name).get("progress")
    assert bar.proto.text.startswith("11 of 11 runs have ended. 1 more was deleted.")
    assert bar.proto.value == 100
