"""The animated picture of two runs shows recorded readings and nothing else."""

from __future__ import annotations

import dataclasses
import math
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from engine.docs.animation import FRAMES, Recorded, animated, labels, main, recorded, words
from engine.index.open_run import open_run
from engine.labs.schematic import framed, moving, schematics, still
from tests.support.made_runs import EXPERTS, LAYER, finished_twins, readings

KNOBS = {"experts": EXPERTS, "layers": 1, "router": "softmax_top_k"}
DEAD = f"router/dead_experts@{LAYER}"


def run(path: Path, label: str = "broken") -> Recorded:
    return recorded(open_run(path), label, KNOBS, schematics()[0]["experts"], DEAD)


def states(picture: str, name: str) -> list[dict[str, str]]:
    """The states of one element, frame by frame where it changes."""
    (rule,) = re.findall(rf"@keyframes {name}\{{(.*?)\}}\}}", picture)
    return [dict(part.split(":", 1) for part in state.split(";")) for state in re.findall(r"%\{(.*?)(?:\}|$)", rule)]


def test_every_state_of_the_film_is_a_reading_of_the_run(tmp_path: Path) -> None:
    broken, cured = finished_twins(tmp_path, steps=40)
    picture = animated([run(broken.folder.path), run(cured.folder.path, "cured")], "Two runs", words(DEAD))
    ET.fromstring(picture)
    assert not re.search("<script|href|javascript|onload", picture)
    svg = schematics()[0]["experts"].svg(KNOBS, LAYER)
    drawn = [ET.fromstring(still(svg, {f"router/load@{LAYER}": readings(step, healthy=False)[1]})) for step in range(40)]
    circles = [[e.get("r") for e in one.iter() if e.get("data-drive") == "radius opacity"] for one in drawn]
    first = EXPERTS  # the ways come first, then the circles
    for expert in range(EXPERTS):
        shown = [state["r"] for state in states(picture, f"m0-{first + expert}")]
        known = [frame[expert] for frame in circles]
        assert set(shown) <= set(known)
        assert shown[0] == known[0]
        assert shown[-1] == known[-1]
        assert len(shown) <= FRAMES
    assert len(picture) < 2_000_000


def test_the_command_writes_the_picture_of_two_folders_and_says_what_differs(tmp_path: Path) -> None:
    broken, cured = finished_twins(tmp_path, steps=20)
    out = tmp_path / "film.svg"
    with pytest.raises(SystemExit, match="of one lab"):
        main([str(tmp_path), str(tmp_path), "--out", str(out)])
    assert not out.exists()
    assert labels([{"router": "a_b", "router.k": 1, "lr": 1.0}, {"router": "c", "lr": 1.0}]) == ["router a b", "router c"]
    assert words(DEAD) == f"dead experts in {LAYER}"
    assert broken.run != cured.run


def test_a_run_without_the_readings_is_refused_in_one_sentence(tmp_path: Path) -> None:
    broken, _ = finished_twins(tmp_path, steps=3)
    points = open_run(broken.folder.path).filter(~open_run(broken.folder.path)["metric"].str.starts_with("router/load"))
    with pytest.raises(ValueError, match="holds no reading of router/load"):
        recorded(points, "this run", KNOBS, schematics()[0]["experts"], DEAD)


def test_a_value_that_is_not_finite_is_a_cross(tmp_path: Path) -> None:
    broken, cured = finished_twins(tmp_path, steps=20)
    first = run(broken.folder.path)
    odd = dataclasses.replace(first, decides=[(step, math.nan if step > 10 else value) for step, value in first.decides])
    crosses = 'stroke-width="1.5" d="M'
    assert crosses not in animated([first, run(cured.folder.path, "cured")], "Two runs", words(DEAD))
    assert animated([odd, run(cured.folder.path, "cured")], "Two runs", words(DEAD)).count("l6 6 m-6 0 l6 -6") == 9


def test_a_drawing_that_no_style_sheet_can_move_is_refused_in_one_sentence(tmp_path: Path) -> None:
    broken, _ = finished_twins(tmp_path, steps=3)
    line = framed([f'<line x1="0" y1="0" x2="9" y2="9" {moving("loss/train", "", [("x2", None, (0.0, 9.0), "linear:0:1")])}/>'], "a line")
    first = dataclasses.replace(run(broken.folder.path), svg=line)
    with pytest.raises(ValueError, match="moves x2, which no style sheet can"):
        animated([first, first], "Two runs", words(DEAD))


def test_what_a_run_is_called_stays_text(tmp_path: Path) -> None:
    """A knob of a run that was edited by hand became an attribute of the picture, and a script in it."""
    broken, cured = finished_twins(tmp_path, steps=5)
    name = 'x" onload="alert(1)" b="<script>&'
    root = ET.fromstring(animated([run(broken.folder.path, name), run(cured.folder.path, "cured")], name, name))
    assert root.get("aria-label") == name
    assert "onload" not in root.attrib
    assert not [one for one in root.iter() if one.tag.endswith("script")]
