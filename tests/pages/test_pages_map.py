"""The page of the map answers in every state, and one press trains the chosen cell, without a browser."""

from __future__ import annotations

import json
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from engine.declare.knobs import unnest
from engine.runs.folder import all_runs
from engine.server.service import Service
from pages.parts.map import computed as component
from tests.pages.test_pages import opened, said
from tests.support.lab_pages import ENTRIES, button, fields


@pytest.fixture
def labs(lab_service: Service, monkeypatch: pytest.MonkeyPatch) -> Service:
    ready = {"state": "ready", "labs": [ENTRIES["trainability"]], "probes": [], "errors": [], "seconds": 0.0, "says": ""}
    monkeypatch.setattr(Service, "labs", lambda self: ready)
    return lab_service


def given(test: AppTest) -> dict[str, Any]:
    """What the page hands to the browser."""
    return json.loads(next(element.proto.json for element in test.get("bidi_component") if element.proto.json))


def test_the_address_says_what_the_cells_have_in_common(labs: Service) -> None:
    query = {"x": "init_in", "y": "lr_out", "depth": "2", "warmup": "30", "seed": "7", "lr_in": "12.5"}
    test = opened("map.py", **query)
    shown = {name: field.value for name, field in fields(test).items()}
    assert {name: str(shown[name]) for name in query} == query
    data = given(test)
    assert (data["x"], data["y"]) == ("init_in", "lr_out")
    assert data["knobs"] == {"depth": 2, "width": 16, "steps": 200, "warmup": 30, "lr": 1.0, "seed": 7, "lr_in": 12.5, "init_out": 1.0}
    assert dict(data["address"]) == {"x": "init_in", "depth": "2", "warmup": "30", "seed": "7", "lr_in": "12.5"}
    assert data["tile"] == 16, "two layers take longer, so tiles are smaller"


def test_what_an_address_cannot_say_is_one_sentence_beside_the_usual_map(labs: Service) -> None:
    test = opened("map.py", depth="900", x="lr", seed="[x](https://example.org)")
    messages = [error.value.replace("\\", "") for error in test.error]
    assert any("depth=900 is out of bounds" in message for message in messages)
    assert any('"lr"' in message for message in messages)
    assert not any("](https://example.org)" in error.value for error in test.error)
    assert given(test)["knobs"]["depth"] == 1


def test_two_axes_of_one_name_are_told_apart(labs: Service) -> None:
    test = opened("map.py", y="lr_in")
    assert any("Both axes were lr_in" in one.value.replace("\\", "") for one in test.warning)
    assert (given(test)["x"], given(test)["y"]) == ("lr_in", "lr_out")


def test_one_press_trains_the_chosen_cell_with_all_its_digits(labs: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    cell = {"lr_in": "312.73100000000005", "lr_out": "4.5e-05", "depth": "2", "steps": "50", "seed": "3", "warmup": "0"}
    monkeypatch.setattr(component, "enter_map", lambda *_: cell)
    test = opened("map.py")
    button(test, "Train this cell").click().run()
    (spec,) = (folder.spec() for folder in all_runs(labs.data))
    flat = unnest(spec["knobs"])
    assert spec["lab"] == "trainability"
    assert (flat["lr_in"], flat["lr_out"], flat["depth"], flat["steps"], flat["seed"]) == (312.73100000000005, 4.5e-05, 2, 50, 3)
    assert test.query_params["run"] == [spec["run"]] or test.query_params["run"] == spec["run"]


@pytest.mark.parametrize(
    ("cell", "sentence"), [({}, "Choose a cell of the map first"), ({"lr_in": "<b>", "edits": "1"}, "Nothing was started.")]
)
def test_what_cannot_be_trained_starts_nothing_and_says_why(
    labs: Service, monkeypatch: pytest.MonkeyPatch, cell: dict[str, str], sentence: str
) -> None:
    monkeypatch.setattr(component, "enter_map", lambda *_: cell)
    test = opened("map.py")
    button(test, "Train this cell").click().run()
    assert sentence in "\n".join(one.value for one in [*test.error, *test.warning]).replace("\\", "")
    assert not list(all_runs(labs.data))


@pytest.mark.parametrize("state", ["computing", "failed", "ready"])
def test_the_page_answers_without_its_panel(lab_service: Service, monkeypatch: pytest.MonkeyPatch, state: str) -> None:
    nothing = {"labs": [], "probes": [], "errors": [], "seconds": 2.0, "says": "torch cannot be imported."}
    monkeypatch.setattr(Service, "labs", lambda self: {**nothing, "state": state})
    text = said(opened("map.py"))
    assert ("torch cannot be imported." in text) == (state != "computing")
    assert "Enter the map" in text
