"""The small picture of a run in the table of runs: nothing smoothed, no extreme lost, no value hidden."""

from __future__ import annotations

import base64
import math
from typing import Any
from xml.etree import ElementTree

import pytest

from engine.server.service import Service
from pages.parts.runs import run_table
from pages.parts.runs.sparkline import HEIGHT, MOST_CROSSES, TOP, WIDTH, sparkline
from tests.pages.test_pages import taken_in
from tests.support.made_runs import LAYER, MadeRun, readings

NOTHING: dict[str, Any] = {"steps": [], "values": [], "nonfinite": []}


def drawing(curve: dict[str, Any]) -> list[ElementTree.Element]:
    return list(ElementTree.fromstring(base64.b64decode(sparkline(curve).partition("base64,")[2])))


def lines(curve: dict[str, Any]) -> list[list[tuple[float, float]]]:
    points = [part.attrib["points"].split() for part in drawing(curve) if part.tag.endswith("polyline")]
    return [[tuple(map(float, point.split(","))) for point in line] for line in points]


def test_the_line_is_straight_from_point_to_point_and_keeps_the_one_step_that_stands_out() -> None:
    values = [1.0] * 20
    values[7] = 9.0
    (line,) = lines({**NOTHING, "steps": list(range(20)), "values": values})
    assert len(line) == 20, "one corner for each point, and nothing between"
    heights = [y for _, y in line]
    assert heights.index(min(heights)) == 7
    assert len(set(heights)) == 2
    assert all(0 <= x <= WIDTH and TOP <= y <= HEIGHT for x, y in line)


def test_a_value_that_is_not_finite_breaks_the_line_and_has_a_cross_above_its_step() -> None:
    curve = {"steps": [0, 1, 3, 4], "values": [2.0, 1.0, 1.0, 2.0], "nonfinite": [[2, 0.0, "NaN"]]}
    assert [len(line) for line in lines(curve)] == [2, 2]
    (cross,) = [part for part in drawing(curve) if part.tag.endswith("path")]
    assert cross.attrib["d"].count("M") == 1


def test_a_run_that_was_never_finite_is_all_crosses_and_a_lone_value_a_dot() -> None:
    (crosses,) = drawing({**NOTHING, "nonfinite": [[step, 0.0, "NaN"] for step in range(5000)]})
    assert 1 < crosses.attrib["d"].count("M") <= MOST_CROSSES
    (dot,) = drawing({**NOTHING, "steps": [4], "values": [math.pi]})
    assert dot.tag.endswith("circle")
    assert sparkline(NOTHING) == ""


def test_values_of_any_size_stay_in_the_picture() -> None:
    (line,) = lines({**NOTHING, "steps": [0, 1, 2], "values": [-1.7e308, 0.0, 1.7e308]})
    assert [round(y) for _, y in line] == [HEIGHT - 3, round((HEIGHT - 3 + TOP) / 2), TOP]


def test_a_picture_is_small() -> None:
    steps = list(range(0, 4000, 100))
    curve = {"steps": steps, "values": [1e-7 * step**2 for step in steps], "nonfinite": [[step, 0.0, "NaN"] for step in steps]}
    assert 100 * len(sparkline(curve)) < 1_000_000, "a page of a hundred runs stays below a megabyte"


def test_the_table_draws_what_decides_the_preset_and_the_loss_where_nothing_does(
    lab_service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = f"router/dead_experts@{LAYER}"
    entry = {"lab": "moe", "presets": {"collapse": {"deciding": key}, "healthy": {"deciding": "never/measured"}}}
    monkeypatch.setattr(Service, "labs", lambda self: {"state": "ready", "labs": [entry]})
    runs = [MadeRun(lab_service.data, preset=preset).declare() for preset in ("collapse", "healthy", "collapse")]
    for made in runs:
        for step in range(10):
            made.log(readings(step, healthy=False)[0])
        made.end()
    taken_in(lab_service, *runs)
    lab_service.owner.step()
    rows = lab_service.store.runs()
    run_table._kept.cache_clear()
    calls = []
    real = type(lab_service.store).many
    monkeypatch.setattr(type(lab_service.store), "many", lambda self, wanted, **how: calls.append(wanted) or real(self, wanted, **how))
    frame, config = run_table.table(rows, False)
    of = dict(zip(frame["run"], frame["curve_of"], strict=True))
    assert [of[made.run] for made in runs] == ["dead experts", "training loss", "dead experts"]
    assert all(picture.startswith("data:image/svg+xml") for picture in frame["curve"])
    assert len(calls) == 3, "one question for each series and, where it has no point, one for the loss"
    run_table.table(rows, False)
    assert len(calls) == 3, "pictures of ended runs are kept"
    frame, config = run_table.table([row for row in rows if row["preset"] == "collapse"], False)
    assert "curve_of" not in frame.columns
    assert config["curve"]["label"] == "Dead experts"
