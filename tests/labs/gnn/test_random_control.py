"""No rewiring is shown without random edges beside it: charts, ladders and twins."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from engine.labs.chart import Chart, RunStyle, charts
from engine.labs.describe import entry
from engine.labs.gnn.gnn import Gnn
from engine.labs.gnn.probes.graph_facts import GraphFacts
from engine.labs.gnn.remedies.rewiring import Rewiring
from engine.labs.probe import Metric
from engine.runs.series import SeriesInfo
from tests.support.stored import stored

RANDOM = "resistance/random"
SAYS_HOW_WELL = ("resistance/", "spectral_gap", "cheeger/", "commute_time/", "graph/edges_added")  # what a rewiring is there to change
DRAWS = 9
PRESETS = entry("gnn", Gnn)["presets"]


def of_rewirings(catalog: Mapping[str, Chart]) -> list[str]:
    """The charts that show anything by which a rewiring could be judged, whether they need it or show it where it is."""
    return [name for name, chart in catalog.items() if any(metric.startswith(SAYS_HOW_WELL) for metric in (*chart.needs, *chart.also))]


CATALOG = charts()[0]
CHARTS = of_rewirings(CATALOG)


def series(metrics: tuple[Metric, ...], without: str = "") -> tuple[SeriesInfo, ...]:
    return tuple(SeriesInfo(m.name, kind=m.kind, shape=(DRAWS,) if m.kind == "vector" else ()) for m in metrics if m.name != without)


WHOLE, BARE = (
    RunStyle("whole", "whole", series=series(GraphFacts.metrics)),
    RunStyle("bare", "bare", series=series(GraphFacts.metrics, RANDOM)),
)
FRAMES = {run.run: stored({one.name: [4.0] * DRAWS if one.kind == "vector" else 4.0 for one in run.series}) for run in (WHOLE, BARE)}


def test_a_chart_of_rewirings_is_found_whichever_metric_it_shows_and_however() -> None:
    assert "rewiring" in CHARTS
    judged = [metric.name for metric in GraphFacts.metrics if metric.name.startswith(SAYS_HOW_WELL)]
    assert len(judged) > len(SAYS_HOW_WELL)
    for metric in judged:
        for how in ("needs", "also"):
            assert of_rewirings({"other": type("Other", (Chart,), {how: (metric,)})()}) == ["other"]


@pytest.mark.parametrize("name", CHARTS)
def test_a_chart_of_a_rewiring_is_not_drawn_without_its_random_arm(name: str) -> None:
    assert CATALOG[name].fits([WHOLE])
    assert not CATALOG[name].fits([BARE])
    traces = CATALOG[name].figure([WHOLE], FRAMES, {}).data
    assert [len(trace.x) for trace in traces if "random" in (trace.name or "")] == [DRAWS], "its points, not its name alone"


@pytest.mark.parametrize("name", CHARTS)
def test_a_run_without_random_draws_is_not_drawn_beside_one_that_has_them_and_is_named(name: str) -> None:
    chart = CATALOG[name]
    points = {
        run.run: sum(len(t.x) for t in chart.figure([WHOLE, BARE], FRAMES, {}).data if t.meta["run"] == run.run) for run in (WHOLE, BARE)
    }
    assert points["whole"] > DRAWS
    assert points["bare"] == 0
    assert any("no random draws, so it is not drawn" in sentence for sentence in chart.sentences(BARE, FRAMES["bare"]))
    assert chart.sentences(WHOLE, FRAMES["whole"]) == []


def knobs(preset: str) -> dict[str, object]:
    """All but the rewiring."""
    return {name: value for name, value in PRESETS[preset]["knobs"].items() if name.partition(".")[0] != "rewiring"}


def budget(given: Mapping[str, object]) -> object:
    """How many edges its rewiring adds: as set, or the answer's usual number."""
    return given.get("rewiring.edges", Rewiring.answer(str(given["rewiring"])).model_fields["edges"].default)


REWIRED = [name for name, one in PRESETS.items() if one["knobs"].get("rewiring", "none") not in ("none", "random")]


@pytest.mark.parametrize("name", REWIRED)
def test_every_preset_that_rewires_has_the_same_preset_with_as_many_random_edges(name: str) -> None:
    arms = [other for other, one in PRESETS.items() if one["knobs"].get("rewiring") == "random" and knobs(other) == knobs(name)]
    assert budget(PRESETS[name]["knobs"]) in [budget(PRESETS[arm]["knobs"]) for arm in arms]


def test_a_budget_is_what_was_set_or_the_usual_one() -> None:
    assert [budget({"rewiring": "gtr", "rewiring.edges": 40}), budget({"rewiring": "gtr"})] == [40, Rewiring.answer("gtr")().edges]
