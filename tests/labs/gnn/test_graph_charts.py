"""Charts of the topic gnn hide no number: what lies beyond an axis, what is infinite and what is NaN stands at its edge."""

from __future__ import annotations

import math
from typing import Any

import polars as pl
import pytest

from engine.labs.chart import Chart, RunStyle, charts
from tests.support.stored import stored

CATALOG = charts()[0]
RUN = RunStyle("r", "one")
ROW = ["Jacobian ratio", "energy ratio", "gradient reach"]
RATIOS = ("jacobian/ratio", "dirichlet_energy/ratio", "gradient/reach")


def drawn(chart: Chart, **frames: pl.DataFrame) -> list[dict[str, Any]]:
    return chart.figure([RunStyle(name, name) for name in frames], frames, {}).to_plotly_json()["data"]


@pytest.mark.parametrize(
    ("value", "symbol", "said"),
    [
        (1e-12, "triangle-left", "1e-12"),
        (0.0, "triangle-left", "0"),
        (2e-4, "circle", "0.0002"),
        (4567.0, "triangle-right", "4.57e+03"),
        (math.inf, "triangle-right", "+Inf"),
        (math.nan, "x", "NaN"),
    ],
)
def test_a_ratio_beyond_the_axis_stands_at_its_edge_with_its_value_in_the_hover(value: float, symbol: str, said: str) -> None:
    chart = CATALOG["message_verdict"]
    figure = chart.figure([RUN], {"r": stored(dict.fromkeys(RATIOS, value))}, {})
    trace, low_high = figure.data[0], [10**end for end in figure.layout.xaxis.range]
    assert list(trace.y) == ROW
    assert all(low_high[0] < x < low_high[1] for x in trace.x)
    assert list(trace.marker.symbol) == [symbol] * 3
    assert list(trace.customdata) == [said] * 3


def test_a_measured_nan_is_told_from_what_was_not_measured() -> None:
    chart, frame = CATALOG["message_verdict"], stored({"jacobian/ratio": math.nan, "dirichlet_energy/ratio": 1e-5, "under_reach": 0.0})
    trace = drawn(chart, r=frame)[0]
    assert list(trace["customdata"]) == ["NaN", "1e-05", "not measured"]
    assert [x is None for x in trace["x"]] == [False, False, True]
    said = chart.sentences(RUN, frame)
    assert said[0].startswith("Over-smoothing")
    assert said[1].startswith("Not measured: gradient and accuracy")
    assert said[2] == "NaN was measured, which says nothing: Jacobian."
    assert not any("NaN was" in sentence for sentence in chart.sentences(RUN, stored({"dirichlet_energy/ratio": 1e-5})))


def test_an_infinite_resistance_is_marked_at_the_edge() -> None:
    pieces = stored({"resistance/before": math.inf, "resistance/total": math.inf, "graph/edges_added": 0.0})
    whole = stored({"resistance/before": 9.0, "resistance/total": 4.0, "resistance/random": [5.0, math.nan], "graph/edges_added": 1.0})
    traces = drawn(CATALOG["rewiring"], pieces=pieces, whole=whole)
    marks = {trace["name"]: trace for trace in traces if trace["meta"]["kind"] == "odd"}
    assert {name: list(mark["customdata"]) for name, mark in marks.items()} == {
        "NaN": ["whole · as many random edges"],
        "+Inf": ["pieces · before", "pieces · after"],
        "−Inf": [],
    }
    assert all(0 < x < 1 for mark in marks.values() for x in mark["x"])
    assert all(math.isfinite(x) for trace in traces for x in trace["x"])


def test_draws_that_differ_by_rounding_alone_are_not_below() -> None:
    frame = stored({"resistance/before": 9.0, "resistance/total": 4.0, "resistance/random": [3.0, 4.0 - 1e-14, 4.0, 5.0]})
    table = CATALOG["rewiring"].table(RUN, frame)
    assert table is not None
    assert dict(table.iter_rows())["random draws below the rewiring"] == 1.0
