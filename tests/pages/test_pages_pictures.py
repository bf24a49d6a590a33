"""The run page with pictures, and with charts that are made again from what is stored."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from engine.server.service import Service
from tests.pages.test_pages import opened, said, taken_in
from tests.support.made_runs import MadeRun, finished_run, readings


def parts(test: AppTest, name: str) -> list[dict[str, Any]]:
    """What each component of that name was given."""
    found = [e.proto for e in test.main if e.type == "bidi_component"] or [e.proto for e in test.get("bidi_component")]
    return [json.loads(proto.json) for proto in found if proto.component_name.endswith(name)]


def run_with(lab_service: Service, steps: int, counts: np.ndarray | None = None, pictures: int = 0) -> MadeRun:
    made = MadeRun(lab_service.data, steps=steps).declare()
    for step in range(steps):
        scalars, load = readings(step, healthy=True)
        made.log(scalars, load=load)
        if step < pictures:
            made.draw("cells", np.zeros((4, 4)), "Cells.", step=step)
    if counts is not None:
        made.count_bytes(counts)
    made.end()
    taken_in(lab_service, made)
    return made


def test_a_run_without_pictures_has_no_place_for_them(lab_service: Service) -> None:
    made = finished_run(lab_service.data, steps=10)
    taken_in(lab_service, made)
    test = opened("run.py", run=made.run)
    assert not parts(test, "pictures")
    assert "As a table" not in [e.label for e in test.expander]


def test_twins_stand_side_by_side_whatever_they_drew(lab_service: Service) -> None:
    first, second = run_with(lab_service, 5, pictures=3), run_with(lab_service, 5)
    test = opened("run.py", run=f"{first.run},{second.run}")
    assert "##### Cells" in said(test)
    (strip,) = parts(test, "pictures")
    assert [(one["run"], [step for step, _ in one["pictures"]]) for one in strip["shown"]] == [(first.run, [0, 1, 2]), (second.run, [])]
    assert {message for one in strip["shown"] for _, message in one["pictures"]} == {"Cells."}


def test_a_redrawn_chart_holds_what_is_stored_and_says_it_in_a_table(lab_service: Service) -> None:
    counts = np.zeros((8, 256))
    counts[3, 32], counts[5, 101] = 30, 10
    made, bare = run_with(lab_service, 5, counts), run_with(lab_service, 5)
    test = opened("run.py", run=f"{made.run},{bare.run}")
    chart = next(one for one in parts(test, "live_chart") if one["name"] == "bytes_per_expert")
    assert chart["redraw"]
    everything, single = chart["figure"]["data"]
    assert [row[0] for row in everything["z"]] == [0, 0, 0, 0.75, 0, 0.25, 0, 0]
    assert single["z"][3] == [1, 0]
    assert "As a table" in [e.label for e in test.expander]
    table = next(t.value for t in test.table if "gets" in t.value.columns)
    assert list(table.iloc[1]) == ["3", "75.0 %", "␣ 100 % (×1.3)"]
    others = [one for one in parts(test, "live_chart") if one["name"] != "bytes_per_expert"]
    assert not any(one["redraw"] for one in others)


def test_a_picture_of_what_a_chart_draws_is_folded_below_the_others(lab_service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    document = lab_service.labs() | {"charts": ["losses", "bytes_per_expert"]}
    monkeypatch.setattr(Service, "labs", lambda self: document)
    made = MadeRun(lab_service.data, steps=2).declare()
    made.draw("bytes_per_expert", np.zeros((4, 4)), "Bytes.", step=0)
    made.draw("cells", np.zeros((4, 4)), "Cells.", step=0)
    made.end()
    taken_in(lab_service, made)
    test = opened("run.py", run=made.run)
    assert [strip["name"] for strip in parts(test, "pictures")] == ["cells", "bytes_per_expert"]
    assert "Bytes per expert, step by step, as the run drew it" in [e.label for e in test.expander]
    assert "##### Bytes per expert" not in said(test)
