"""The page of one lab answers in every state a person can meet it in, without a browser."""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go
import pytest

from engine.core.catalog import Catalog
from engine.labs.moe.panels.router_noise import RouterNoise
from engine.labs.panel import Panel
from engine.server.panels import PanelAnswers, PanelError
from engine.server.service import Service
from pages.parts.cards import sentences
from pages.parts.charts.still_chart import odd_marks
from pages.parts.knobs.stops import even_step, geometric
from pages.parts.knobs.texts import reading
from pages.parts.plain import plain
from tests.pages.test_pages import opened, said
from tests.support.lab_pages import ENTRIES


@pytest.fixture
def quick(lab_service: Service, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Panels are computed in this process; -> what was asked."""
    from engine.labs.panel_frames import answer, encoded

    questions: list[dict[str, Any]] = []
    kinds, _ = Catalog("panels", Panel).load()

    def compute(self: PanelAnswers, name: str, knobs: dict[str, Any]) -> dict[str, Any]:
        questions.append({"panel": name, **knobs})
        try:
            return {"frames": encoded(kinds[name](**knobs).compute())}
        except ValueError as error:
            return {"says": str(error)}

    assert callable(answer)
    monkeypatch.setattr(lab_service._panels, "_compute", lambda name, knobs: compute(lab_service._panels, name, knobs))
    return questions


def test_the_page_tells_everything_about_a_lab(lab_service: Service, quick: list[dict[str, Any]]) -> None:
    test = opened("lab.py", lab="moe")
    text = said(test)
    lab = ENTRIES["moe"]
    assert all(part in text for part in sentences(lab["story"]))
    assert [h.value for h in test.header] == ["Panels", "Remedies", "Presets"], "what one can play with comes first"
    for spec in lab["knobs"]:
        for choice in spec["choices"] if spec["kind"] == "question" else ():
            for part in ("idea", "paper", "cost", "fails", "reading", "source", "differs", "why"):
                assert choice[part] in text, (choice["name"], part)
    assert reading("our reading of the abstract").startswith(":orange-badge["), "what we only reconstructed is marked"
    for panel in lab["panels"]:
        assert f"### {panel['title']}" in text
        assert panel["about"] in text
    pairs = [preset["kind"] == "breaks" for preset in lab["presets"].values() if preset["twin"] and not preset.get("small")]
    labels = [b.label for b in test.button]
    assert labels.count("Break it and cure it") == sum(pairs) >= 3
    assert labels.count("Run both") == len(pairs) - sum(pairs) >= 1, "what only compares does not claim to break"
    assert RouterNoise().sentence(RouterNoise().compute()) in text


def test_a_slider_moves_its_own_figure_and_nothing_else(lab_service: Service, quick: list[dict[str, Any]]) -> None:
    test = opened("lab.py", lab="moe")
    before = len(quick)
    tokens = next(s for s in test.select_slider if s.label.startswith("tokens: tokens routed"))
    tokens.set_value(64).run()
    assert not test.exception
    assert [q for q in quick[before:] if q["panel"] == "router_noise"] == [{"panel": "router_noise", "tokens": 64, "experts": 32, "k": 1}]
    assert "With 64 tokens, 32 experts" in said(test)
    assert not list((lab_service.data / "runs").glob("*")), "no run was made"


def test_settings_that_do_not_go_together_are_one_sentence_in_place_of_the_figure(
    lab_service: Service, quick: list[dict[str, Any]]
) -> None:
    test = opened("lab.py", lab="moe")
    experts = next(s for s in test.select_slider if s.label == "experts: experts of the layer")
    k = next(s for s in test.slider if s.label.startswith("k: "))
    k.set_value(8)
    experts.set_value(4).run()
    assert not test.exception
    assert "k=8 is more than the 4 experts there are; choose k at most 4." in [w.value for w in test.warning]
    assert "slots per expert" in said(test), "the other panel is still there"


def test_a_panel_that_broke_says_so_with_the_traceback_folded_below(
    lab_service: Service, quick: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: Service, name: str, given: Any = None) -> Any:
        raise PanelError(f"The panel `{name}` broke: TypeError: no", "Traceback: here")

    monkeypatch.setattr(Service, "panel", broken)
    test = opened("lab.py", lab="moe")
    assert plain("The panel `router_noise` broke: TypeError: no") in [e.value for e in test.error]
    assert "Traceback: here" in [c.value for c in test.code]


def test_a_figure_that_cannot_be_drawn_says_so(lab_service: Service, quick: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RouterNoise, "figure", lambda self, frames: frames["nowhere"])
    test = opened("lab.py", lab="moe")
    assert any("`engine/labs/moe/panels/router_noise.py` could not be drawn: KeyError" in e.value for e in test.error)
    assert "slots per expert" in said(test)


@pytest.mark.parametrize("lab", ["mo", "../../etc", "<b>x</b>"])
def test_an_unknown_lab_is_one_sentence(lab_service: Service, lab: str) -> None:
    test = opened("lab.py", lab=lab)
    assert "No such lab" in said(test)
    assert len(test.error) == 1
    assert "Allowed are" in test.error[0].value


def test_without_a_name_the_first_lab_is_shown(lab_service: Service, quick: list[dict[str, Any]]) -> None:
    test = opened("lab.py")
    first = next(iter(ENTRIES))
    assert sentences(ENTRIES[first]["story"])[0] in said(test)
    assert test.query_params["lab"] in (first, [first])


@pytest.mark.parametrize("state", ["computing", "failed"])
def test_the_page_answers_while_there_are_no_labs(lab_service: Service, monkeypatch: pytest.MonkeyPatch, state: str) -> None:
    nothing = {"labs": [], "probes": [], "errors": [], "seconds": 2.0, "says": "torch cannot be imported."}
    monkeypatch.setattr(Service, "labs", lambda self: {**nothing, "state": state})
    test = opened("lab.py", lab="moe")
    assert not test.exception
    if state == "failed":
        assert "torch cannot be imported." in said(test)


def test_a_lab_or_a_panel_that_cannot_be_read_has_its_own_card(
    lab_service: Service, quick: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    errors = [
        {"file": "engine/labs/moe/odd.py", "says": "SyntaxError", "kind": "lab", "name": "odd"},
        {"file": "engine/labs/moe/panels/sick.py", "says": "ImportError: no", "kind": "panel", "name": "sick"},
    ]
    known = {"state": "ready", "labs": [ENTRIES["moe"]], "probes": [], "errors": errors, "seconds": 0.0, "says": ""}
    monkeypatch.setattr(Service, "labs", lambda self: known)
    monkeypatch.setattr(Service, "wait_for_labs", lambda self, seconds=0: known)
    assert "engine/labs/moe/odd.py" in said(opened("lab.py", lab="odd"))
    text = said(opened("lab.py", lab="moe"))
    assert "engine/labs/moe/panels/sick.py" in text
    assert "engine/labs/moe/odd.py" not in text


# -- pieces ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "has"),
    [
        ({"kind": "int", "min": 16, "max": 2**20, "default": 1000}, {16, 24, 1000, 1024, 2**20}),
        ({"kind": "int", "min": 0, "max": 1000, "default": 10}, {0, 1, 2, 3, 10, 1000}),
        ({"kind": "float", "min": 1e-4, "max": 10.0, "default": 0.123}, {1e-4, 1e-3, 0.123, 7.0, 10.0}),
    ],
)
def test_a_wide_range_goes_in_geometric_steps_with_its_ends_and_its_default(spec: dict[str, Any], has: set[float]) -> None:
    stops = geometric(spec)
    assert has <= set(stops)
    assert stops == sorted(set(stops))
    assert (stops[0], stops[-1]) == (spec["min"], spec["max"])
    assert len({type(stop) for stop in stops}) == 1


@pytest.mark.parametrize(
    ("low", "high", "default"),
    [(0.0, 1.0, 0.5), (0.25, 4.0, 1.25), (0.0, 3.0, 0.5), (-1.0, 1.0, 0.0), (0.1, 2.0, 0.35), (-30.0, 30.0, 1.5)],
)
def test_even_steps_reach_both_ends_and_the_default(low: float, high: float, default: float) -> None:
    spec = {"kind": "float", "min": low, "max": high, "default": default}
    assert not geometric(spec)
    step = even_step(spec)
    assert 10 <= (high - low) / step <= 2000
    for span in (default - low, high - low):
        assert span / step == pytest.approx(round(span / step), abs=1e-6)


def test_every_value_that_no_axis_can_place_is_marked_at_the_edge() -> None:
    inf, nan = float("inf"), float("nan")
    figure = go.Figure(go.Scatter(x=[1, 10, 100, 1000], y=[nan, inf, -inf, 2.0], name="theory"), layout={"xaxis": {"type": "log"}})
    marks = list(odd_marks(figure))
    assert [(m["x"], m["text"]) for m in marks] == [(0.0, "✕ NaN"), (1.0, "▲"), (2.0, "▼")]
    assert all(m["yref"] == "y domain" for m in marks)
    assert not list(odd_marks(go.Figure(go.Scatter(x=[1, 2], y=[1.0, 2.0]))))
