"""Samples over the data: what left the panel stays to be seen, each point on the side to which it went."""

from __future__ import annotations

import math

import polars as pl
import pytest

from engine.labs.chart import RunStyle
from engine.labs.diffusion.charts._outside import INSET, at_edge, far
from engine.labs.diffusion.charts.samples_plane import REACH, SamplesPlane
from engine.runs.series import SeriesInfo


def frame(**vectors: list[float]) -> pl.DataFrame:
    rows = [("samples/" + name, index, value) for name, values in vectors.items() for index, value in enumerate(values)]
    table = [{"metric": metric, "layer": "", "index": index, "step": 8, "t": 8.0, "value": value} for metric, index, value in rows]
    return pl.DataFrame(table, infer_schema_length=None)


def test_an_arrow_stands_where_the_line_to_its_point_leaves_the_panel() -> None:
    (right, up, corner, infinite) = at_edge([(100.0, 0.0), (0.0, 7.0), (-5.0, -5.0), (3.0, -math.inf)], 2.0)
    edge = 2.0 * INSET
    assert right == pytest.approx((edge, 0.0, 90.0))
    assert up == pytest.approx((0.0, edge, 0.0))
    assert corner == pytest.approx((-edge, -edge, -135.0))
    assert infinite == pytest.approx((0.0, -edge, 180.0))
    assert at_edge([(math.nan, 1.0)], 2.0) == []


def test_the_corner_says_how_many_are_outside_how_far_and_how_many_are_no_numbers() -> None:
    assert far([], 10, 1.0) == ""
    assert far([(4.0, 0.0), (0.0, 8.0), (0.0, 1000.0)], 10, 2.0) == "3 of 10 outside<br>half beyond 4 × the data"
    assert far([(math.nan, 0.0)], 10, 2.0) == "1 of 10 outside<br>1 not finite"
    assert far([(1e308, 1e308), (1e308, 1e308)], 2, 1e-3).startswith("2 of 2 outside")


def test_a_run_whose_samples_all_left_the_panel_shows_every_one_of_them() -> None:
    run_style = RunStyle("r", "broken", series=tuple(SeriesInfo(f"samples/{n}", kind="vector", shape=(4, 2)) for n in ("one_step", "data")))
    away = [50.0, 0.0, 0.0, 50.0, -50.0, 0.0, 0.0, -9e9]
    figure = SamplesPlane().figure([run_style], {"r": frame(data=[1.0, 0.0, -1.0, 0.5], one_step=away, two_steps=[0.1, 0.2])}, {})
    arrows = [t for t in figure.data if "outside" in t.name]
    assert [len(t.x) for t in arrows] == [4, 0]
    assert all(max(abs(x), abs(y)) == pytest.approx(REACH * INSET) for x, y in zip(arrows[0].x, arrows[0].y, strict=True))
    texts = [note.text for note in figure.layout.annotations]
    assert any(text.startswith("4 of 4 outside") for text in texts)
