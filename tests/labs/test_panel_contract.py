"""What every panel promises, asked of the panels of every topic."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import Any

import plotly.graph_objects as go
import pytest

from engine.core.catalog import Catalog
from engine.core.paths import ROOT
from engine.declare.knobs import nest
from engine.labs.describe import describe_panels
from engine.labs.lab import Lab
from engine.labs.panel import Panel
from engine.labs.panel_frames import decoded, encoded

LABS = Catalog("", Lab).names()
PANELS, BROKEN = Catalog("panels", Panel).load()
TOLD = {panel["name"]: panel for lab in LABS for panel in describe_panels(lab)}
BUDGET = 1.0  # seconds of CPU time, as the design gives a panel


def corners(name: str) -> list[dict[str, Any]]:
    """The defaults, and every bound and every choice of each knob alone, as flat knobs."""
    out: list[dict[str, Any]] = [{}]
    for spec in TOLD[name]["knobs"]:
        if spec["kind"] in ("int", "float"):
            out += [{spec["name"]: spec["min"]}, {spec["name"]: spec["max"]}]
        elif spec["kind"] == "bool":
            out.append({spec["name"]: not spec["default"]})
        else:
            out += [{spec["name"]: choice["name"]} for choice in spec["choices"]]
    return out


CORNERS = [(name, given) for name in TOLD for given in corners(name)]


def test_every_file_in_the_folder_is_a_panel_of_a_lab_that_exists() -> None:
    assert not BROKEN
    for name, kind in PANELS.items():
        assert set(kind.labs) <= set(LABS), name
        assert kind.labs, name


@pytest.mark.parametrize("name", TOLD)
def test_a_panel_says_what_one_sees_and_where_its_formula_is_from(name: str) -> None:
    panel = TOLD[name]
    for text in ("title", "formula", "about", "paper", "reading"):
        assert panel[text].strip(), text
    assert "$" not in panel["formula"], "the page adds the dollars"
    assert panel["about"].endswith((".", ")")), panel["about"]


@pytest.mark.parametrize("name", TOLD)
def test_every_knob_of_a_panel_can_become_a_slider(name: str) -> None:
    for spec in TOLD[name]["knobs"]:
        assert spec["about"], spec["name"]
        assert spec["kind"] != "str" or PANELS[name].page, f"{spec['name']}: no slider can show text; only a page of its own can"
        if spec["kind"] in ("int", "float"):
            assert spec["min"] is not None, f"{spec['name']} needs ge"
            assert spec["max"] is not None, f"{spec['name']} needs le"
            assert spec["min"] <= spec["default"] <= spec["max"]


@pytest.mark.parametrize(("name", "given"), CORNERS, ids=[f"{name} {given}" for name, given in CORNERS])
def test_a_panel_answers_within_its_budget_at_every_end_of_every_slider(name: str, given: dict[str, Any]) -> None:
    kind = PANELS[name]
    questions = {spec["name"] for spec in TOLD[name]["knobs"] if spec["kind"] == "question"}
    panel = kind.model_validate(nest(given, questions))
    spent = []
    for _ in range(3):  # the first call may pay for an import; a busy machine may disturb another
        began = time.process_time()
        try:
            frames = panel.compute()
        except ValueError as refused:
            message = str(refused)
            assert "\n" not in message
            assert message.endswith("."), "a refusal is one sentence"
            assert given, "the defaults go together"
            return
        spent.append(time.process_time() - began)
        if spent[-1] < BUDGET / 2:
            break
    assert min(spent) < BUDGET
    travelled = decoded(json.loads(json.dumps(encoded(frames), allow_nan=False)))
    assert travelled
    for frame in travelled.values():
        assert len({len(column) for column in frame.values()}) == 1
    assert repr(decoded(encoded(panel.compute()))) == repr(travelled), "a pure function of its knobs"
    if not kind.page:
        figure = panel.figure(travelled)
        assert isinstance(figure, go.Figure)
        assert len(figure.data)
        assert "\n" not in panel.sentence(travelled)


@pytest.mark.parametrize("name", TOLD)
def test_a_panel_that_draws_no_figure_has_a_page_that_does(name: str) -> None:
    assert (ROOT / "pages" / f"{PANELS[name].page}.py").is_file() == bool(PANELS[name].page)
    assert (vars(PANELS[name]).get("figure") is None) == bool(PANELS[name].page)
    assert TOLD[name]["page"] == PANELS[name].page, "the page of the lab must know it"


@pytest.mark.parametrize("name", PANELS)
def test_the_server_imports_a_panel_without_torch(name: str) -> None:
    asked = f"import sys; from engine.labs.panel import panel; panel({name!r}); print(' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", asked], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = {module.split(".")[0] for module in done.stdout.split()}
    assert not loaded & {"torch", "lightning", "scipy", "sklearn", "networkx", "torch_geometric", "streamlit"}
