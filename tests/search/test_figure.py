"""The picture of a map: every cell is there in the colour of its verdict, the boundary lies between verdicts, and a text harms nothing."""

from __future__ import annotations

import math
import re
from typing import Any
from xml.etree import ElementTree

import pytest

from engine.search.computed_figure import colour_of, tiles_svg
from engine.search.figure import DIVERGED, SIDE, TRAINED, by_spot, scale_of, sentence, svg
from engine.search.lattice import listed, ruled
from engine.search.outcome import Outcome
from engine.search.sensitivity import sensitivities, sensitivity
from engine.search.strategies.map import Map

RATE = {"kind": "float", "default": 0.0, "min": 0.0, "max": 1e6, "choices": [], "unit": ""}
SVG = "{http://www.w3.org/2000/svg}"


def of(axes: list[Any], results: list[Outcome], refine: int = 1) -> list[Any]:
    setting = {"is": "map", "axes": [axis.json() for axis in axes], "first": 3, "refine": refine, "level": None}
    return Map(setting).cells(results)


def plain(x: float, y: Any, value: float | None, n: int = 1, diverged: int = 0) -> list[Outcome]:
    ends = ["diverged"] * diverged + ["finished"] * (n - diverged)
    return [Outcome({"lr": x, "clip": y, "seed": k}, f"r{k}", end, math.nan if end == "diverged" else value) for k, end in enumerate(ends)]


LR, CLIP = ruled(RATE, "lr", 0.0, 1.0, first=3, refine=1), listed("clip", [0, 1])


def rects(text: str) -> dict[str, dict[str, str]]:
    tree = ElementTree.fromstring(text)
    return {one.attrib["data-cell"]: one.attrib for one in tree.iter(f"{SVG}rect") if "data-cell" in one.attrib}


def hexed(colour: tuple[int, int, int]) -> str:
    return "#" + "".join(f"{part:02x}" for part in colour)


def test_the_extremes_have_the_ends_of_their_ramps_and_what_is_not_known_is_hatched() -> None:
    results = [*plain(0.0, 0, 1.0), *plain(0.5, 0, 2.0), *plain(1.0, 0, None, 2, 2), *plain(0.0, 1, 3.0, 2, 1)]
    results += [Outcome({"lr": 0.5, "clip": 1}, "w", "running")]
    cells = of([LR, CLIP], results)
    shown = rects(svg([LR, CLIP], cells, "loss/train"))
    assert shown["0 0"]["fill"] == hexed(TRAINED[2]), "the best is darkest"
    assert shown["2 0"]["fill"] == hexed(TRAINED[0])
    assert shown["4 0"]["fill"] == hexed(DIVERGED[2]), "all of them"
    assert shown["0 1"]["fill"] == hexed(DIVERGED[0]), "half of them"
    assert shown["2 1"]["fill"] == "url(#fl-wait)"
    assert "4 1" not in shown


def test_a_finer_cell_covers_its_part_and_the_boundary_lies_between_verdicts() -> None:
    results = [*plain(0.0, 0, 1.0), *plain(0.5, 0, 1.0), *plain(1.0, 0, None, 1, 1), *plain(0.75, 0, None, 1, 1)]
    text = svg([LR, listed("clip", [0])], of([LR, listed("clip", [0])], results), "loss/train")
    shown = rects(text)
    third = SIDE / 3
    assert float(shown["3 0"]["width"]) == pytest.approx(third / 2, abs=0.01)
    assert float(shown["3 0"]["x"]) == pytest.approx(2 * third - third / 4, abs=0.01)
    (path,) = re.findall(r'd="(M[^"]+)"', text)
    assert {float(x) for x in re.findall(r"M([\d.]+) ", path)} == {round(2 * third - third / 4, 1)}


def test_a_finer_cell_without_a_result_takes_no_boundary_away() -> None:
    results = [*plain(0.0, 0, 1.0), *plain(0.5, 0, 1.0), *plain(1.0, 0, None, 1, 1)]
    axes = [LR, listed("clip", [0])]
    whole = re.findall(r'd="(M[^"]+)"', svg(axes, of(axes, results), "loss/train"))
    waiting = [*results, Outcome({"lr": 0.75, "clip": 0}, "w", "queued")]
    assert re.findall(r'd="(M[^"]+)"', svg(axes, of(axes, waiting), "loss/train")) == whole != []


def test_counts_stand_on_mixed_cells_only() -> None:
    results = [*plain(0.0, 0, 1.0, 5, 0), *plain(0.5, 0, 1.0, 5, 2), *plain(1.0, 0, None, 5, 5)]
    text = svg([LR, CLIP], of([LR, CLIP], results), "loss/train")
    assert re.findall(r">(\d/\d)<", text) == ["2/5"]


def test_a_third_axis_is_a_picture_beside_the_first() -> None:
    third = listed("depth", [1, 2])
    results = [Outcome({"lr": 0.0, "clip": 0, "depth": d}, "r", "finished", 1.0) for d in (1, 2)]
    text = svg([LR, CLIP, third], of([LR, CLIP, third], results), "loss/train")
    assert set(rects(text)) == {"0 0 0", "0 0 1"}
    assert "depth = 1" in text
    assert "depth = 2" in text


def test_hostile_names_stay_text() -> None:
    axes = [LR, listed("clip", ['<script>alert("x")</script>', "&amp;"])]
    results = [Outcome({"lr": 0.0, "clip": '<script>alert("x")</script>'}, "r", "finished", 1.0)]
    text = svg(axes, of(axes, results), '"><script>')
    ElementTree.fromstring(text)
    assert "<script" not in text


def test_what_a_cell_says_hides_nothing() -> None:
    axes = [LR, CLIP]

    def said(results: list[Outcome]) -> str:
        (cell,) = of(axes, results)
        return sentence(cell, axes, "loss/train")

    assert said(plain(0.0, 0, 1.25)) == "lr=0 clip=0: 0 of 1 run diverged; loss/train 1.25."
    assert said(plain(0.0, 0, 1.25, 5, 1)) == "lr=0 clip=0: 1 of 5 runs diverged; median loss/train 1.25."
    assert said(plain(0.0, 0, 1.25, 5, 4)) == "lr=0 clip=0: 4 of 5 runs diverged."
    assert said([Outcome({"lr": 0.0, "clip": 0}, "r", "failed")]) == "lr=0 clip=0: no run has a result."
    waiting = Outcome({"lr": 0.0, "clip": 0}, "w", "queued")
    assert said([waiting, waiting]) == "lr=0 clip=0: 2 still go on."
    assert said([*plain(0.0, 0, 1.0), waiting]) == "lr=0 clip=0: 0 of 1 run diverged; loss/train 1; 1 still goes on."


def test_the_scale_is_logarithmic_over_a_decade_and_has_no_diverged_cell() -> None:
    cells = of([LR, CLIP], [*plain(0.0, 0, 0.01), *plain(0.5, 0, 1.0), *plain(1.0, 0, 1e9, 2, 1)])
    scale = scale_of(cells)
    assert scale is not None
    assert (scale.low, scale.high, scale.log) == (0.01, 1.0, True)
    assert scale.share(0.1) == pytest.approx(0.5)
    assert scale_of(of([LR, CLIP], plain(0.0, 0, None, 2, 2))) is None
    assert set(by_spot(cells)) == {"0 0", "2 0", "4 0"}


def test_sensitivity_is_the_formula_written_out() -> None:
    assert sensitivity([3.0, 1.0, 9.0], [4.0, 4.0, 4.0]) == pytest.approx((3 + 1 + 4) / 3 - 1)
    assert sensitivity([3.0, 1.0, math.nan], [4.0, 4.0, 4.0]) == pytest.approx((3 + 1 + 4) / 3 - 1)
    assert sensitivity([math.nan, math.nan], [4.0, 4.0]) == 0.0, "nothing trains at any rate, and none costs more than another"
    assert sensitivity([3.0, None], [4.0, 4.0]) is None
    assert sensitivity([3.0], [None]) is None
    rate = ruled(RATE, "lr", 0.0, 1.0, first=3, refine=1)
    results = [
        Outcome({"lr": lr, "clip": 0, "seed": seed}, "r", "finished", value + seed, 4.0)
        for seed in (0, 1)
        for lr, value in ((0.0, 3.0), (0.5, 1.0), (1.0, 2.0), (0.75, 0.5))
    ]
    (line,) = sensitivities([rate, listed("clip", [0])], results[:-2])
    assert line.values == (pytest.approx(1.0),), "the second seed has no result at one of the rates; the refined rate takes no part"
    assert (line.seeds, line.line) == (2, {"clip": 0})


def test_a_computed_map_has_every_cell_once() -> None:
    side = 8
    cells = [{"value": 0.1 if i + j < side else 1e3, "final": 0.1 if i + j < side else "NaN"} for j in range(side) for i in range(side)]
    text = tiles_svg(cells, side, ("lr_in", 1.0, 1e4), ("lr_out", 1.0, 1e3))
    tree = ElementTree.fromstring(text)
    boxes = [one.attrib for one in tree.iter(f"{SVG}rect") if one.attrib.get("height") == f"{SIDE / side:g}"]
    area: dict[str, float] = {}
    for box in boxes:
        area[box["fill"]] = area.get(box["fill"], 0.0) + float(box["width"]) / (SIDE / side)
    assert area == {colour_of(0.1, 0.1): pytest.approx(36), colour_of(1e3, "NaN"): pytest.approx(28)}
    assert sum(area.values()) == pytest.approx(side * side)
    top = [box["fill"] for box in boxes if float(box["y"]) == 0.0]
    assert top == [colour_of(0.1, 0.1), colour_of(1e3, "NaN")], "the largest y on top"
    assert all(f">{10**power:g}<" in text for power in range(5))
