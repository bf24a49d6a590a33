"""Every chart of the catalog keeps the same promises."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest

from engine.labs.chart import Chart, RunStyle, charts
from engine.labs.moe.charts.bytes_per_expert import TOP
from engine.labs.moe.charts.expert_load import ROWS, owners
from engine.runs.series import SeriesInfo

LAYER, EXPERTS, STEPS = "blocks.0.moe", 8, 30
KINDS = {"line", "smooth", "stack", "busiest", "nonfinite", "below_zero", "spike", "events", "level", "odd_routing"}
GATHER = {"nonfinite", "below_zero", "spike", "level"}  # marks and bounds belong to a panel, not to one run
SCALARS = ["loss/train", "loss/validation", "grad_norm", "accuracy/validation"]
SCALARS += ["loss/fixed", "feature_norm/train", "feature_norm/fixed", "oscillation/train", "oscillation/chance"]
SCALARS += ["gain/feature", "gain/output", "gain/rounding", "rmse/validation"]
PROFILES = {"feature_norm/blocks": 6, "skip_share": 6, "skip_gate/mean": 6, "skip_gate/min": 6, "skip_gate/max": 6}
PROFILES |= {"loss_by_level": 8, "loss_by_level/error": 8}
LAYERED = ["router/entropy", "router/dead_experts", "router/max_violation", "router/max_violation_noise"]
LAYERED += ["router/byte_information", "router/byte_information_noise", "router/greedy_max_violation", "router/dropped"]
LAYERED += ["router/token_entropy", "router/margin"]
CATALOG, BROKEN = charts()
PLAIN = dict.fromkeys([*SCALARS, *(need for c in CATALOG.values() if not c.layered and c.live == "extend" for need in c.needs)])
REDRAWN = dict.fromkeys(need for c in CATALOG.values() if not c.layered and c.live != "extend" for need in c.needs)
SERIES = (
    *(SeriesInfo(name) for name in PLAIN),
    *(SeriesInfo(name, kind="vector", shape=(EXPERTS,)) for name in REDRAWN),
    *(SeriesInfo(name, LAYER) for name in LAYERED),
    SeriesInfo("router/load", LAYER, kind="vector", shape=(EXPERTS,)),
    SeriesInfo("router/column_error", LAYER, kind="vector", shape=(EXPERTS,)),
    SeriesInfo("router/dropped_by_position", LAYER, kind="vector", shape=(EXPERTS,)),
    SeriesInfo("router/bytes", LAYER, kind="vector", shape=(EXPERTS, 256)),
    *(SeriesInfo(name, kind="vector", shape=(size,)) for name, size in PROFILES.items()),
)
BROKEN_TWIN = RunStyle("20260101-000000-moe-aaaa", "broken", "#0072B2", "dot", SERIES)
CURED_TWIN = RunStyle("20260101-000000-moe-bbbb", "cured", "#0072B2", "solid", SERIES)


def frame(value: float = 1.5, odd: dict[int, float] | None = None) -> pl.DataFrame:
    """Every series of SERIES over STEPS steps, as the store gives it; `odd` replaces single values."""
    rows = [
        {"metric": s.name, "layer": s.layer, "index": index, "step": step, "t": 1e9 + step, "value": (odd or {}).get(step, value)}
        for s in SERIES
        for index in (range(math.prod(s.shape)) if s.kind == "vector" else [None])
        for step in (range(STEPS - 1, STEPS) if s.name == "router/bytes" else range(STEPS))
    ]
    return pl.DataFrame(rows, schema={"metric": str, "layer": str, "index": int, "step": int, "t": float, "value": float})


def drawn(chart: Chart, looks: list[RunStyle], frames: dict[str, pl.DataFrame], events: dict[str, list[dict]] | None = None):
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


@pytest.mark.parametrize("name", [n for n, c in CATALOG.items() if c.live == "extend" and c.needs and "router/load" not in c.needs])
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


def test_a_chart_of_one_step_says_of_every_trace_what_the_browser_fills_it_with() -> None:
    filmed = {name: chart for name, chart in CATALOG.items() if chart.live == "moment"}
    assert filmed
    for name, chart in filmed.items():
        for trace in drawn(chart, [BROKEN_TWIN, CURED_TWIN], {}).data:
            assert trace.meta["kind"] in ("row", "zero", "odd"), name
            assert not trace.x
            assert 0 <= trace.meta["height"] <= 1
            assert trace.meta["kind"] == "odd" or (trace.meta["key"] in chart.needs and trace.meta["first"] in (0, 1))


def test_charts_attach_to_runs_that_have_what_they_need() -> None:
    plain = RunStyle("r", "plain", series=(SeriesInfo("loss/train"),))
    fitting = {name for name, chart in CATALOG.items() if chart.fits([plain])}
    assert fitting == {"losses", "event_lane"}
    assert all(chart.fits([plain, CURED_TWIN, CURED_TWIN]) for chart in CATALOG.values())


def test_the_stack_shows_each_expert_at_the_height_of_its_share() -> None:
    cells = owners(np.array([[0.5, 0.25, 0.25], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]]))
    quarter = ROWS // 4
    assert set(cells[: 2 * quarter, 0]) == {0.0}
    assert set(cells[2 * quarter + 1 : 3 * quarter, 0]) == {1.0}
    assert set(cells[3 * quarter + 1 :, 0]) == {2.0}
    assert np.isnan(cells[[2 * quarter, 3 * quarter], 0]).all(), "an edge between two bands"
    assert set(cells[:, 1]) == {0.0}, "an idle expert has no height"


def routed_by_nan() -> tuple[RunStyle, pl.DataFrame]:
    """Three steps of four experts: even; by scores that are not finite, which name expert 0; and a load that is not finite itself."""
    loads = [[0.25] * 4, [1.0, 0.0, 0.0, 0.0], [math.nan] * 4]
    series = (
        SeriesInfo("router/load", LAYER, kind="vector", shape=(4,)),
        SeriesInfo("router/dead_experts", LAYER),
        SeriesInfo("router/logit_max", LAYER),
    )
    rows = [
        *(("router/load", expert, step, share) for step, load in enumerate(loads) for expert, share in enumerate(load)),
        *(("router/logit_max", None, step, value) for step, value in enumerate([2.0, math.nan, 3.0])),
        *(("router/dead_experts", None, step, value) for step, value in enumerate([0.0, 3.0, 0.0])),
    ]
    table = [{"metric": m, "layer": LAYER, "index": i, "step": s, "t": float(s), "value": v} for m, i, s, v in rows]
    return RunStyle("r", "odd", series=series), pl.DataFrame(table, infer_schema_length=None)


def test_what_a_router_without_finite_scores_names_is_a_gap_with_a_cross_and_never_one_full_expert() -> None:
    run_style, table = routed_by_nan()
    figure = CATALOG["expert_load"].figure([run_style], {"r": table}, {}, LAYER)
    bands = next(t for t in figure.data if t.meta["kind"] == "stack")
    columns = [{row[step] for row in bands.z} for step in range(3)]
    assert columns[0] >= {0, 1, 2, 3}
    assert columns[1:] == [{None}, {None}]
    (crosses,) = [t for t in figure.data if t.meta["kind"] == "odd_routing"]
    assert list(crosses.x) == [1]
    assert crosses.meta["key"] == f"router/logit_max@{LAYER}"


def test_dead_experts_that_only_nan_made_are_marked_and_the_note_says_so() -> None:
    run_style, table = routed_by_nan()
    figure = CATALOG["dead_experts"].figure([run_style], {"r": table}, {}, LAYER)
    (crosses,) = [t for t in figure.data if t.meta["kind"] == "odd_routing"]
    assert list(crosses.x) == [1]
    assert "says nothing about the routing" in crosses.meta["message"]
    without = RunStyle("r", "hash", series=run_style.series[:2])
    assert all(t.meta["kind"] != "odd_routing" for t in CATALOG["dead_experts"].figure([without], {}, {}, LAYER).data)


# -- bytes per expert ----------------------------------------------------------------------------------


def diets() -> pl.DataFrame:
    """Expert 0 gets 60 spaces and 20 newlines, expert 1 all 20 "e", expert 2 nothing, expert 3 20 spaces and 5 bytes of 0x80 and above."""
    counts = np.zeros((4, 256))
    counts[0, 32], counts[0, 10], counts[1, ord("e")], counts[3, 32], counts[3, 200:205] = 60, 20, 20, 20, 1
    rows = {"metric": "router/bytes", "layer": LAYER, "index": range(counts.size), "step": 7, "t": 1e9, "value": counts.ravel()}
    return pl.DataFrame(rows, schema={"metric": str, "layer": str, "index": int, "step": int, "t": float, "value": float}, strict=False)


DIETS = RunStyle("r", "diets", series=(SeriesInfo("router/bytes", LAYER, kind="vector", shape=(4, 256)),))


def test_the_map_of_bytes_shows_shares_and_what_chance_would_give() -> None:
    figure = CATALOG["bytes_per_expert"].figure([DIETS], {"r": diets()}, {}, LAYER)
    everything, single = figure.data
    assert [row[0] for row in everything.z] == [80 / 125, 20 / 125, 0.0, 25 / 125]
    assert list(figure.layout.xaxis.ticktext[:4]) == ["all", "␣", "⏎", "e"]
    assert [row[0] for row in single.z] == [0.75, 0.0, 0.0, 0.25]
    assert [row[2] for row in single.z] == [0.0, 1.0, 0.0, 0.0]
    assert np.allclose(np.sum(single.z, axis=0), 1.0), "every byte goes somewhere"
    assert single.customdata[1][2] == "expert 1, e: 100 %, 20 of 20<br>by chance 3.2 ± 1.6"
    assert single.customdata[2][0] == "expert 2, ␣: 0 %, 0 of 80<br>by chance 0.0 ± 0.0"


def test_the_table_of_bytes_says_the_same_in_words() -> None:
    table = CATALOG["bytes_per_expert"].table(DIETS, diets(), LAYER)
    rows = [tuple(row) for row in table.iter_rows()]
    assert rows[0] == ("whole text", "100 %", "␣ 64 % (×1.0) · ⏎ 16 % (×1.0) · e 16 % (×1.0) · 0xC8 1 % (×1.0) · 0xC9 1 % (×1.0)")
    assert rows[1] == ("0", "64.0 %", "␣ 75 % (×1.2) · ⏎ 25 % (×1.6)")
    assert rows[2][2].startswith("␣ 80 % (×1.2) · 0xC8 4 % (×5.0)")
    assert rows[2][2].count("×") == TOP
    assert rows[3:] == [("1", "16.0 %", "e 100 % (×6.2)"), ("2", "0.0 %", "nothing")]


def test_the_events_do_not_say_that_every_mark_is_a_rule() -> None:
    """A checkpoint has a lane as well, in many runs the only one."""
    about = CATALOG["event_lane"].about
    assert "checkpoint" in about
    assert not about.startswith("When each rule fired")
