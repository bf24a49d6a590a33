"""/still: the schematic of a preset as its recorded run left it, for an <img>; every pair that a card shows is there."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import Any
from urllib.parse import urlencode

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response

from engine.declare.measured import fill
from engine.declare.records import recorded
from engine.labs.recorded_still import recorded_still
from engine.labs.schematic import schematic_of
from engine.server.routes import routes
from engine.server.stills import still_of
from tests.support.lab_pages import ENTRIES

KNOWN: dict[str, Any] = {"state": "ready", **fill({"labs": list(ENTRIES.values())})}
OF = {lab["lab"]: lab for lab in KNOWN["labs"]}


class ServiceOfLabs:
    """As much of a service as the route asks for."""

    def labs(self) -> dict[str, Any]:
        return KNOWN


def ask(tag: str = "", **query: str) -> Response:
    endpoint = next(route.endpoint for route in routes(ServiceOfLabs) if route.path == "/still")
    headers = [(b"if-none-match", tag.encode())] if tag else []
    scope = {"type": "http", "method": "GET", "path": "/still", "query_string": urlencode(query).encode(), "headers": headers}
    return endpoint(Request({**scope, "app": Starlette()}))


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_drawing_is_plain_svg_in_the_colour_that_was_wanted(theme: str) -> None:
    answer = ask(lab="moe", preset="collapse", colour="D55E00", theme=theme)
    assert (answer.status_code, answer.media_type) == (200, "image/svg+xml")
    root = ET.fromstring(answer.body)
    names = {element.tag.rpartition("}")[2] for element in root.iter()}
    assert "circle" in names
    assert not names & {"script", "foreignObject", "image", "use", "a"}
    assert b"--run:#D55E00" in answer.body
    assert b"data-" not in answer.body
    assert ask(answer.headers["etag"], lab="moe", preset="collapse", colour="D55E00", theme=theme).status_code == 304


def test_the_collapsed_model_and_the_cured_one_are_drawn_as_the_records_say() -> None:
    """Of 32 circles most are tiny where experts died, and none is where a bias shares the bytes out."""
    small = {}
    for preset in ("collapse", "collapse_cured"):
        root = ET.fromstring(ask(lab="moe", preset=preset, colour="0072B2", theme="light").body)
        radii = [float(element.get("r")) for element in root.iter() if element.tag.endswith("circle")]
        assert len(radii) == OF["moe"]["presets"][preset]["knobs"].get("experts", 32)
        small[preset] = sum(radius < max(radii) / 4 for radius in radii)
    assert small["collapse"] > 16 > small["collapse_cured"]


def test_every_preset_with_recorded_vectors_has_a_drawing_and_the_sentence_of_the_same_step() -> None:
    drawn = {(lab, name): still_of(KNOWN, OF[lab], name) for lab in OF for name in OF[lab]["presets"]}
    made = {key: one for key, one in drawn.items() if one}
    assert {lab for lab, _ in made} >= {"moe", "unet", "gnn"}
    for (lab, name), one in made.items():
        model, _ = schematic_of(KNOWN, lab)
        document = recorded(OF[lab], name)
        assert model is not None
        assert document is not None
        assert one.step == max(vector["step"][-1] for vector in document["film"]["vectors"].values())
        assert one.sentence
        assert ET.fromstring(one.document("#000000", "light")).tag.endswith("svg")
        assert recorded_still(model, {**document, "film": {}}) is None, "without readings nothing is made up"


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ({"lab": "moo"}, 'did you mean "moe"'),
        ({"lab": "moe", "preset": "collaps"}, 'did you mean "collapse"'),
        ({"lab": "moe", "preset": "../../spec"}, "No preset"),
        ({"lab": "moe", "preset": "collapse", "colour": "red;}</style><script>"}, "six hexadecimal digits"),
        ({"lab": "trainability", "preset": next(iter(OF["trainability"]["presets"])), "colour": "000000"}, "Nothing was recorded"),
    ],
)
def test_what_there_is_not_is_one_sentence(query: dict[str, str], sentence: str) -> None:
    answer = ask(**query)
    assert answer.status_code == 404
    assert sentence in answer.body.decode().replace("\\", "")


def test_a_drawing_is_made_again_only_when_its_record_is_another(monkeypatch: pytest.MonkeyPatch) -> None:
    first = still_of(KNOWN, OF["moe"], "collapse")
    assert first is not None
    assert still_of(KNOWN, OF["moe"], "collapse") is first
    other = {**recorded(OF["moe"], "collapse"), "seeds": [77]}  # type: ignore[dict-item]
    monkeypatch.setattr("engine.server.stills.recorded", lambda *_: other)
    drawn = still_of(KNOWN, OF["moe"], "collapse")
    assert drawn is not None
    assert drawn.seed == 77
    monkeypatch.undo()
    assert still_of(KNOWN, OF["moe"], "collapse") == first
