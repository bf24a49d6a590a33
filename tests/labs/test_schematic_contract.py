"""Every schematic of the catalog keeps the same promises, and moves as its readings say."""

from __future__ import annotations

import json
import math
import random
import xml.etree.ElementTree as ET
from typing import Any

import pytest

from engine.core.catalog import Catalog
from engine.core.paths import ROOT
from engine.index.subscribe import SMALL
from engine.labs.lab import Lab
from engine.labs.probe import Probe
from engine.labs.schematic import DRIVES, NS, SCALES, SPEED, Readings, attributes, drawn, framed, moving, placed, said, schematics, still
from engine.runs.series import split_key

GOOD, BROKEN = schematics()
RECORDS = {"moe": "collapse", "unet": "skips", "gnn": "ring", "consistency": "unanchored", "trainability": "diverges"}
ALLOWED = {"svg", "g", "defs", "marker", "path", "line", "rect", "circle", "text"}


def record(lab: str) -> dict[str, Any]:
    return json.loads((ROOT / "docs" / "measured" / lab / f"{RECORDS[lab]}.json").read_text("utf-8"))


def film(lab: str) -> list[Readings]:
    """Readings of some steps of a recorded run; made up where a record keeps no vectors of a lab."""
    if lab == "consistency":
        data = [0.1 * math.cos(i) for i in range(40)]
        return [{"samples/data": data, "jumps": [scale * math.sin(i) for i in range(256)]} for scale in (0.1, 0.5, 9.0)]
    if lab == "trainability":
        return [{"loss/train": loss} for loss in (1.0, 0.25, 100.0)]
    vectors = record(lab)["film"]["vectors"]
    many = max(len(one["value"]) for one in vectors.values())
    return [{key: one["value"][min(i, len(one["value"]) - 1)] for key, one in vectors.items()} for i in range(many)]


def knobs_of(lab: str) -> dict[str, Any]:
    return record(lab)["knobs"]


def driven(svg: str) -> list[ET.Element]:
    return [element for element in ET.fromstring(svg).iter() if element.get("data-drive")]


def drawing(name: str) -> tuple[str, str, list[Readings]]:
    lab = GOOD[name].labs[0]
    return lab, GOOD[name].svg(knobs_of(lab), "", film(lab)[0]), film(lab)


def test_every_lab_has_one_schematic_and_every_file_can_be_read() -> None:
    assert BROKEN == []
    assert sorted(lab for one in GOOD.values() for lab in one.labs) == Catalog("", Lab).names()


@pytest.mark.parametrize("name", GOOD)
def test_what_moves_it_is_small_enough_to_be_told_while_a_run_goes_on(name: str) -> None:
    for readings in film(GOOD[name].labs[0]):
        for key, value in readings.items():
            if split_key(key)[0] in GOOD[name].needs and isinstance(value, list):
                assert len(value) <= SMALL, f"{key} of {len(value)} values moves the drawing only when the page is loaded"


@pytest.mark.parametrize("name", GOOD)
def test_what_it_needs_is_recorded_by_probes_of_its_labs(name: str) -> None:
    probes = Catalog("probes", Probe).load()[0].values()
    for lab in GOOD[name].labs:
        provides = Catalog("", Lab)[lab].provides
        recorded = {metric.name for probe in probes if not probe.needs or probe.needs in provides for metric in probe.metrics}
        assert {*GOOD[name].needs, *GOOD[name].made_from} <= recorded


@pytest.mark.parametrize("name", GOOD)
def test_it_is_plain_svg_that_loads_and_runs_nothing(name: str) -> None:
    _, svg, _ = drawing(name)
    root = ET.fromstring(svg)
    assert root.get("viewBox") == "0 0 320 200"
    assert root.get("aria-label"), "somebody may not see it"
    for element in root.iter():
        assert element.tag.removeprefix(f"{{{NS}}}") in ALLOWED
        for attribute, value in element.attrib.items():
            assert not attribute.startswith("on")
            assert "href" not in attribute
            assert "url(" not in value or value.startswith("url(#"), "no outside reference"
            assert not (attribute in ("fill", "stroke") and value != "none"), "colours are classes, for both themes"
    assert len(svg) < 60_000


@pytest.mark.parametrize("name", GOOD)
def test_all_that_moves_is_driven_by_a_needed_series_on_a_known_scale(name: str) -> None:
    _, svg, readings = drawing(name)
    assert driven(svg)
    for element in driven(svg):
        assert element.get("data-series") in GOOD[name].needs
        layer = element.get("data-layer")
        assert element.get("data-series", "") + (f"@{layer}" if layer else "") in readings[0]
        lists = [element.get(f"data-{part}", "").split(" ") for part in ("drive", "index", "range", "scale")]
        assert len({len(one) for one in lists}) == 1
        assert set(lists[0]) <= set(DRIVES)
        assert {scale.split(":")[0] for scale in lists[3]} <= set(SCALES)


@pytest.mark.parametrize("name", GOOD)
def test_it_stands_differently_at_different_readings_and_the_same_at_the_same(name: str) -> None:
    _, svg, readings = drawing(name)
    assert still(svg, readings[0]) == still(svg, readings[0])
    assert still(svg, readings[0]) != still(svg, readings[-1])
    assert still(svg, {}) == still(svg, {"another/series": 1.0}), "what is not read leaves it as it was drawn"


@pytest.mark.parametrize("name", GOOD)
def test_the_sentence_says_numbers_and_survives_what_is_no_number(name: str) -> None:
    lab, svg, readings = drawing(name)
    said = GOOD[name].sentence(knobs_of(lab), readings[-1])
    assert said.endswith(".")
    assert any(letter.isdigit() for letter in said)
    assert GOOD[name].sentence(knobs_of(lab), {}) == ""
    odd = {key: [math.nan] * len(value) if isinstance(value, list) else math.nan for key, value in readings[-1].items()}
    assert "no" in GOOD[name].sentence(knobs_of(lab), odd)
    marked = [element for element in driven(still(svg, odd)) if "fl-nan" in element.get("class", "")]
    assert marked, "NaN is marked, never drawn as a value"


def test_a_scale_places_its_ends_and_clamps_beyond_them() -> None:
    for kind, low, middle, high in (("linear", 0.0, 5.0, 10.0), ("sqrt", 0.0, 2.5, 10.0), ("log", 0.01, 1.0, 100.0)):
        scale = f"{kind}:{low}:{high}"
        assert [placed(v, scale, (1.0, 3.0)) for v in (low, middle, high)] == pytest.approx([1.0, 2.0, 3.0])
        assert placed(-math.inf, scale, (1.0, 3.0)) == 1.0
        assert placed(math.inf, scale, (1.0, 3.0)) == 3.0
    assert placed(0.0, "log:0.01:1", (0.0, 1.0)) == 0.0, "0 is below every power of ten"


def test_a_flow_of_n_a_second_has_its_dots_so_far_apart_that_n_pass_in_a_second() -> None:
    assert attributes("flow", 2.0) == {"stroke-dasharray": f"0 {SPEED / 2:g}", "visibility": "visible"}
    assert attributes("flow", 0.0)["visibility"] == "hidden"


def test_a_drive_or_a_scale_that_is_none_is_refused() -> None:
    for drive, scale in (("colour", "linear:0:1"), ("radius", "cubic:0:1"), ("radius", "log:0:1"), ("radius", "linear:1:1")):
        with pytest.raises(ValueError, match="a schematic received"):
            moving("loss/train", "", [(drive, None, (0.0, 1.0), scale)])


def test_the_area_of_an_expert_is_its_share() -> None:
    svg = GOOD["experts"].svg({"experts": 32, "layers": 1, "router": "hash"})
    radii = [float(e.get("r", "0")) for e in driven(still(svg, {"router/load@blocks.0.moe": [1 / 32] * 31 + [4 / 32]})) if e.get("r")]
    assert (radii[-1] - 0.6) / (radii[0] - 0.6) == pytest.approx(2.0, rel=1e-2), "four times the share, twice the radius"


def test_a_knob_of_others_is_text_and_never_an_element() -> None:
    svg = GOOD["experts"].svg({"experts": 4, "layers": 1, "router": "<script>alert(1)</script>"})
    assert {element.tag.removeprefix(f"{{{NS}}}") for element in ET.fromstring(svg).iter()} <= ALLOWED


def test_a_label_with_marks_stays_a_label() -> None:
    assert ET.fromstring(framed([], 'a "quoted" <label> & more')).get("aria-label") == 'a "quoted" <label> & more'


ODD = (
    None,
    True,
    -1,
    0,
    1e308,
    math.nan,
    math.inf,
    10**30,
    "",
    '"><script>alert(1)</script>',
    "\x00",
    "\ud800",
    [],
    {"a": 1},
    "9" * 400,
    2.5,
    257,
)


@pytest.mark.parametrize("name", GOOD)
def test_no_run_of_other_code_can_stop_a_page_or_put_anything_into_it(name: str) -> None:
    """Odd knobs and readings: a plain drawing or none, a sentence or none, never an exception."""
    rng, (lab, _, films) = random.Random(0), drawing(name)
    for _ in range(400):
        knobs = dict(knobs_of(lab))
        for knob in rng.sample(list(knobs), rng.choice([1, 2, 5])):
            if rng.random() < 0.2:
                del knobs[knob]
            else:
                knobs[knob] = rng.choice(ODD)
        readings = dict(films[0])
        for key in list(readings):
            readings[key] = rng.choice(
                [readings[key], [], math.nan, [math.nan, math.inf, 1e300, -1.0, 3.7] * rng.choice([1, 7]), -math.inf]
            )
        svg = drawn(GOOD[name], knobs, rng.choice(["", '"><x>']), readings)
        if svg:
            assert {element.tag.removeprefix(f"{{{NS}}}") for element in ET.fromstring(still(svg, readings)).iter()} <= ALLOWED
        assert isinstance(said(GOOD[name], knobs, readings), str)
