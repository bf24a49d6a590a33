"""The page of one graph answers in every state, and one press trains it as it was and as it is, without a browser."""

from __future__ import annotations

import json
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from engine.declare.knobs import unnest
from engine.labs.panel import panel
from engine.labs.panel_frames import encoded
from engine.runs.folder import all_runs
from engine.server.service import Service
from pages.parts.charts.run_styles import ordered, run_styles
from tests.pages.test_pages import opened, said
from tests.support.lab_pages import button, fields


@pytest.fixture
def quick(lab_service: Service, monkeypatch: pytest.MonkeyPatch) -> Service:
    """Panels are computed in this process."""

    def compute(name: str, knobs: dict[str, Any]) -> dict[str, Any]:
        try:
            return {"frames": encoded(panel(name).model_validate(knobs).compute())}
        except ValueError as error:
            return {"says": str(error)}

    monkeypatch.setattr(lab_service._panels, "_compute", compute)
    return lab_service


def given(test: AppTest) -> dict[str, Any]:
    """What the page hands to the browser."""
    return json.loads(next(element.proto.json for element in test.get("bidi_component") if element.proto.json))


def test_the_address_says_which_graph_and_which_rewiring(quick: Service) -> None:
    query = {"graph": "ring", "graph.distance": "6", "rewiring": "gtr", "rewiring.edges": "7", "seed": "3", "edits": "0-5 -1-2"}
    test = opened("topology.py", **query)
    shown = {name: field.value for name, field in fields(test).items()}
    assert (shown["graph"], shown["rewiring"], shown["seed"]) == ("ring", "gtr", "3")
    data = given(test)
    assert data["graph"] == {"graph": "ring", "graph.distance": 6, "seed": 3}
    assert data["rewiring"] == {"rewiring": "gtr", "rewiring.edges": 7}
    assert data["edits"] == "+0-5 -1-2", "a plus in an address is a blank"
    assert dict(data["address"]) == {name: value for name, value in query.items() if name != "edits"}


def test_what_an_address_cannot_say_is_one_sentence_beside_the_usual_graph(quick: Service) -> None:
    test = opened("topology.py", graph="barbel", **{"graph.clique": "900"})
    assert any("barbel" in error.value for error in test.error)
    assert any("graph.clique=900 is out of bounds" in error.value.replace("\\", "") for error in test.error)
    assert given(test)["graph"] == {"graph": "barbell", "graph.clique": 8, "graph.path": 6, "seed": 0}


def test_one_press_trains_the_graph_as_it_was_and_as_it_is(quick: Service) -> None:
    test = opened("topology.py", edits="0-21 +0-20 ~21", rewiring="random", **{"rewiring.edges": "2"})
    button(test, "Train both").click().run()
    assert not test.exception
    specs = [folder.spec() for folder in all_runs(quick.data)]
    assert len(specs) == 2
    assert [spec["twin"] for spec in specs] == [spec["run"] for spec in reversed(specs)]
    one, other = (unnest(spec["knobs"]) for spec in ordered(specs))
    assert {name for name in one.keys() | other.keys() if one.get(name) != other.get(name)} == {"edits", "rewiring", "rewiring.edges"}
    assert (one["edits"], other["edits"]) == ("", "+0-20 ~21"), "in canonical form"
    assert one["layers"] == other["layers"] == 9, "as far as the nodes are apart before any edit"
    assert [style.label for style in run_styles(ordered(specs), {}, "light")] == ["unchanged", "changed"]
    assert test.query_params["run"] == ",".join(spec["run"] for spec in ordered(specs))
    assert "**`edits`** **nothing** → **+0-20 \\~21**" in said(test)


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ({}, "Both graphs are the same"),
        ({"edits": "-0-9"}, "-0-9 removes an edge that the graph has not"),
        ({"graph": "ring", "graph.distance": "900", "edits": "+0-9"}, "layers=900 is out of bounds"),
    ],
)
def test_what_cannot_be_trained_starts_nothing_and_says_why(quick: Service, query: dict[str, str], sentence: str) -> None:
    test = opened("topology.py", **query)
    button(test, "Train both").click().run()
    assert sentence in "\n".join(one.value for one in [*test.error, *test.warning]).replace("\\", "")
    assert not list(all_runs(quick.data))


@pytest.mark.parametrize("state", ["computing", "failed", "ready"])
def test_the_page_answers_without_its_panel(lab_service: Service, monkeypatch: pytest.MonkeyPatch, state: str) -> None:
    nothing = {"labs": [], "probes": [], "errors": [], "seconds": 2.0, "says": "torch cannot be imported."}
    monkeypatch.setattr(Service, "labs", lambda self: {**nothing, "state": state})
    text = said(opened("topology.py"))
    assert ("torch cannot be imported." in text) == (state != "computing")
    assert "Touch the graph" in text


def test_the_page_of_the_lab_leads_to_it(quick: Service) -> None:
    links = [link.proto.page for link in opened("lab.py", lab="gnn").get("page_link")]
    assert any("topology" in page for page in links)
