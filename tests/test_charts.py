"""Every chart of the catalog keeps the same promises."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest

from engine.chart import Chart, RunLook, charts
from engine.charts.expert_load import ROWS, owners
from engine.spool import SeriesInfo

LAYER, EXPERTS, STEPS = "blocks.0.moe", 8, 30
KINDS = {"line", "smooth", "stack", "busiest", "nonfinite", "floor", "spike", "events", "level"}
GATHER = {"nonfinite", "floor", "spike", "level"}  # marks and bounds belong to a panel, not to one run
SCALARS = ["loss/train", "loss/validation", "grad_norm"]
LAYERED = ["router/entropy", "router/dead_experts", "router/max_violation", "router/max_violation_noise"]
SERIES = (
    *(SeriesInfo(name) for name in SCALARS),
    *(SeriesInfo(name, LAYER) for name in LAYERED),
    SeriesInfo("router/load", LAYER, kind="vector", shape=(EXPERTS,)),
)
CATALOG, BROKEN = charts()

BROKEN_TWIN = RunLook("20260101-000000-moe-aaaa", "broken", "#0072B2", "dot", SERIES)
CURED_TWIN = RunLook("20260101-000000-moe-bbbb", "cured", "#0072B2", "solid", SERIES)


def frame(value: float = 1.5, odd: dict[int, float] | None = None) -> pl.DataFrame:
    """Every series of SERIES over STEPS steps, as the store gives it; `odd` replaces single values."""
    rows = [
        {"metric": s.name, "layer": s.layer, "index": index, "step": step, "t": 1e9 + step, "value": (odd or {}).get(step, value)}
        for s in SERIES
        for index in (range(EXPERTS) if s.kind == "vector" else [None])
        for step in range(STEPS)
    ]
    return pl.DataFrame(rows, schema={"metric": str, "layer": str, "index": int, "step": int, "t": float, "value": float})


def drawn(chart: Chart, looks: list[RunLook], frames: dict[str, pl.DataFrame], events: dict[str, list[dict]] | None = None):
    return chart.figure(looks, frames, events or {}, LAYER)


def test_every_chart_file_can_be_read_and_says_what_it_shows() -> None:
    assert BROKEN == []
    for name, chart in CATALOG.items():
        assert chart.title, name
        assert chart.about.endswith("."), f"{name}: one sentence"
        assert (type(chart).__doc__ or "").strip(), name


@pytest.mark.parametrize("name", CATALOG)
def test_a_chart_draws_with_no_frames_one_run_and_twins(name: str) -> None:
    chart = CATALOG[name]
    for looks in ([BROKEN_TWIN], [BROKEN_TWIN, CURED_TWIN]):
        empty = drawn(chart, looks, {})
        full = drawn(chart, looks, {look.run: frame() for look in looks})
        assert [t.meta for t in empty.data] == [t.meta for t in full.data], "points change no trace"
        assert empty.to_json()


@pytest.mark.parametrize("name", CATALOG)
def test_every_live_trace_says_which_points_it_takes(name: str) -> None:
    chart = CATALOG[name]
    if chart.live != "extend":
        pytest.skip("made again from frames, not extended")
    known = {(s.name, s.layer) for s in SERIES}
    for trace in drawn(chart, [BROKEN_TWIN, CURED_TWIN], {}).data:
        meta = trace.meta
        assert {"run", "metric", "layer", "index", "kind"} <= set(meta), f"{name}: {trace.name}"
        assert meta["kind"] in KINDS
        if meta["kind"] in GATHER:
            assert not meta["run"]
            continue
        assert meta["run"] in (BROKEN_TWIN.run, CURED_TWIN.run)
        if meta["kind"] != "events":
            assert (meta["metric"], meta["layer"]) in known


@pytest.mark.parametrize("name", CATALOG)
def test_a_skeleton_is_small(name: str) -> None:
    assert len(drawn(CATALOG[name], [BROKEN_TWIN, CURED_TWIN], {}).to_json()) < 16_000


@pytest.mark.parametrize("name", [n for n, c in CATALOG.items() if c.needs and "router/load" not in c.needs])
def test_values_that_are_not_finite_break_the_line_and_are_marked_at_the_edge(name: str) -> None:
    odd = {5: math.nan, 7: math.inf, 9: -math.inf}
    figure = drawn(CATALOG[name], [CURED_TWIN], {CURED_TWIN.run: frame(odd=odd)})
    for trace in figure.data:
        if trace.meta["kind"] == "line":
            assert all(y is None or math.isfinite(y) for y in trace.y)
            assert [x for x, y in zip(trace.x, trace.y, strict=True) if y is None] == [5, 7, 9]
    marks = {t.meta["value"]: t for t in figure.data if t.meta["kind"] == "nonfinite"}
    assert [set(marks[word].x) for word in ("NaN", "Infinity", "-Infinity")] == [{5}, {7}, {9}]
    assert all(t.yaxis == "y9" and t.showlegend for t in marks.values()), "marks live on the axis from 0 to 1"


def test_a_spike_stands_at_its_raw_height() -> None:
    events = {CURED_TWIN.run: [{"step": 12, "kind": "spike", "rule": "loss_spike", "layer": "", "value": 9.0, "says": "A spike."}]}
    figure = drawn(CATALOG["losses"], [CURED_TWIN], {CURED_TWIN.run: frame(odd={12: 9.5})}, events)
    spikes = [t for t in figure.data if t.meta["kind"] == "spike"]
    assert [(list(t.x), list(t.y)) for t in spikes] == [([12], [9.5])]


def test_twins_share_a_hue_and_differ_in_dash() -> None:
    lines = [t for t in drawn(CATALOG["losses"], [BROKEN_TWIN, CURED_TWIN], {}).data if t.meta["kind"] == "line"]
    assert len({t.line.color for t in lines}) == 1
    assert {t.line.dash for t in lines if t.meta["run"] == BROKEN_TWIN.run} == {"dot"}
    assert {t.line.dash for t in lines if t.meta["run"] == CURED_TWIN.run} == {"solid"}


def test_charts_attach_to_runs_that_have_what_they_need() -> None:
    plain = RunLook("r", "plain", series=(SeriesInfo("loss/train"),))
    fitting = {name for name, chart in CATALOG.items() if chart.fits([plain])}
    assert fitting == {"losses", "event_lane"}
    assert all(chart.fits([plain, CURED_TWIN]) for chart in CATALOG.values())


def test_the_stack_shows_each_expert_at_the_height_of_its_share() -> None:
    cells = owners(np.array([[0.5, 0.25, 0.25], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]]))
    quarter = ROWS // 4
    assert set(cells[: 2 * quarter, 0]) == {0.0}
    assert set(cells[2 * quarter + 1 : 3 * quarter, 0]) == {1.0}
    assert set(cells[3 * quarter + 1 :, 0]) == {2.0}
    assert np.isnan(cells[[2 * quarter, 3 * quarter], 0]).all(), "an edge between two bands"
    assert set(cells[:, 1]) == {0.0}, "an idle expert has no height"
