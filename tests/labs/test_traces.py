"""What the traces of charts share: a value that no line reaches is a dot, also where a figure is made from stored frames."""

from __future__ import annotations

import math

import polars as pl
import pytest

from engine.labs.chart import RunStyle
from engine.labs.common.traces import DOT, line
from engine.runs.series import SeriesInfo

RUN = RunStyle("20260101-000000-moe-aaaa", "a run", "#0072B2", "solid", (SeriesInfo("loss/train"),))
NAN, INF = math.nan, math.inf


@pytest.mark.parametrize(
    ("values", "dotted"),
    [
        ([2.0], [0]),
        ([NAN, 2.0, NAN], [1]),
        ([2.0, NAN, 1.0, 1.0, INF, 3.0], [0, 5]),
        ([NAN, 2.0, 2.0], []),
        ([2.0, 1.0, NAN], []),
        ([NAN, NAN], []),
        ([], []),
    ],
)
def test_exactly_the_values_without_finite_neighbours_are_dots(values: list[float], dotted: list[int]) -> None:
    rows = {"metric": "loss/train", "layer": "", "index": None, "step": range(len(values)), "value": values}
    frame = pl.DataFrame(rows, schema={"metric": pl.String, "layer": pl.String, "index": pl.Int32, "step": pl.Int64, "value": pl.Float64})
    drawn = line(RUN, {RUN.run: frame}, "loss/train")[0]
    if dotted:
        assert drawn.mode == "lines+markers"
        assert [i for i, size in enumerate(drawn.marker.size) if size == DOT] == dotted
        assert sum(drawn.marker.size) == DOT * len(dotted)
    else:
        assert drawn.mode == "lines"
