"""No rewiring is shown without random edges beside it: charts, ladders and twins."""

from __future__ import annotations

import pytest

from engine.labs.chart import RunStyle, charts
from engine.labs.describe import entry
from engine.labs.gnn.gnn import Gnn
from engine.labs.gnn.probes.graph_facts import GraphFacts
from engine.labs.probe import Metric
from engine.runs.series import SeriesInfo

RANDOM = "resistance/random"
OF_A_REWIRING = {"resistance/total", "resistance/before", "graph/edges_added"}
CHARTS = {name: chart for name, chart in charts()[0].items() if OF_A_REWIRING & set(chart.needs)}
PRESETS = entry("gnn", Gnn)["presets"]


def series(metrics: tuple[Metric, ...], without: str = "") -> tuple[SeriesInfo, ...]:
    return tuple(SeriesInfo(m.name, kind=m.kind, shape=(9,) if m.kind == "vector" else ()) for m in metrics if m.name != without)


def test_there_is_a_chart_of_rewirings() -> None:
    assert CHARTS


@pytest.mark.parametrize("name", CHARTS)
def test_a_chart_of_a_rewiring_is_not_drawn_without_its_random_arm(name: str) -> None:
    whole = RunStyle("r", series=series(GraphFacts.metrics))
    bare = RunStyle("r", series=series(GraphFacts.metrics, without=RANDOM))
    assert CHARTS[name].fits([whole])
    assert not CHARTS[name].fits([bare])
    drawn = [trace.name for trace in CHARTS[name].figure([whole], {}, {}).data]
    assert any("random" in name for name in drawn)


def knobs(preset: str, *but: str) -> dict[str, object]:
    return {name: value for name, value in PRESETS[preset]["knobs"].items() if name.partition(".")[0] not in but}


REWIRED = [name for name, one in PRESETS.items() if one["knobs"].get("rewiring", "none") not in ("none", "random")]


@pytest.mark.parametrize("name", REWIRED)
def test_every_preset_that_rewires_has_the_same_preset_with_random_edges(name: str) -> None:
    arms = [other for other, one in PRESETS.items() if one["knobs"].get("rewiring") == "random"]
    assert [other for other in arms if knobs(other, "rewiring") == knobs(name, "rewiring")]
