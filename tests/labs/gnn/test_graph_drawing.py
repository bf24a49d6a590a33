"""The graph as charts draw it: who is heard, how far, and what walks alone would carry."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from engine.declare.resolve import resolve
from engine.labs.chart import RunStyle, charts
from engine.labs.describe import entry
from engine.labs.gnn.gnn import Gnn
from engine.labs.gnn.probes.graph_drawing import GraphDrawing, drawing, walks_N
from engine.labs.gnn.probes.jacobian import Jacobian, sensitivity
from engine.labs.probe import Reading, Step
from tests.support.graphs import built
from tests.support.stored import stored

CATALOG = charts()[0]


def readings(lab: Gnn, kind: type[Any]) -> dict[str, Any]:
    model = lab.model()
    step = Step(0, 10, lab, model, lab.batch(0), {}, torch.optim.SGD(model.parameters(), lr=0.1), 0.1)
    return {found.metric: found.value for found in kind(lab, model).after(step) if isinstance(found, Reading)}


def lab_of(preset: str, **knobs: Any) -> Gnn:
    return Gnn.model_validate(resolve(entry("gnn", Gnn), preset, {"device": "cpu", **knobs}).nested)


@pytest.mark.parametrize("name", ["ring", "barbell", "tree", "ba"])
def test_walks_are_a_row_of_the_power_of_the_operator(name: str) -> None:
    graph = built(name)
    looped = graph.adjacency_NN() + np.eye(graph.nodes)
    half = np.diag(looped.sum(1) ** -0.5)
    assert walks_N(graph, 2, 5) == pytest.approx(np.linalg.matrix_power(half @ looped @ half, 5)[2], rel=1e-12)


def test_a_run_tells_its_graph_with_the_edges_that_a_rewiring_added() -> None:
    lab = lab_of("barbell_cured")
    told = readings(lab, GraphDrawing)
    graph, (_, read, holds) = lab.rewired_graph, lab.pairs()[0]
    assert np.asarray(told["graph/place"]).shape == (graph.nodes, 2)
    assert np.asarray(told["graph/ends"]).tolist() == graph.edges_E2.tolist()
    assert np.asarray(told["graph/added"]).sum() == graph.added_E.sum() == 4
    roles = np.asarray(told["graph/roles"])
    assert [roles[read], roles[holds], np.count_nonzero(roles)] == [1, 2, 2]
    assert told["graph/distance_before"] == 9
    assert len(told["theory/by_distance"]) == 10
    assert np.argmax(told["theory/by_distance"]) <= 1


def test_a_large_graph_is_not_drawn_and_says_its_distance() -> None:
    large = lab_of("ring", **{"graph.distance": 200, "layers": 3})
    told = readings(large, GraphDrawing)
    assert set(told) == {"graph/distance_before", "theory/by_distance"}
    assert told["theory/by_distance"][4:] == [0.0] * 197, "three layers reach three nodes"


def test_the_map_holds_what_the_jacobian_of_the_first_read_node_is() -> None:
    lab = lab_of("under_reach")
    model = lab.model()
    step = Step(0, 10, lab, model, lab.batch(0), {}, torch.optim.SGD(model.parameters(), lr=0.1), 0.1)
    told = {found.metric: found.value for found in Jacobian(lab, model).after(step) if isinstance(found, Reading)}
    example, read, holds = lab.pairs()[0]
    row = sensitivity(lab, model, step.batch["x"][example], read)
    assert told["jacobian/by_node"] == pytest.approx(row.tolist())
    assert told["jacobian/by_node"][holds] == 0.0, "eight layers do not reach ten edges"


# -- charts ------------------------------------------------------------------------------------------

PATH = built("grid", rows=2, columns=2)
DRAWN = {
    found.metric: np.asarray(found.value).ravel().tolist() for found in drawing(PATH, PATH, 0, 3) if isinstance(found, Reading)
}  # nodes 0 to 3 in a square


def map_of(heard: list[float]) -> tuple[dict[str, Any], list[str]]:
    frame = stored({"jacobian/by_node": heard, **DRAWN})
    figure = CATALOG["jacobian_map"].figure([RunStyle("r", "one")], {"r": frame}, {})
    return {trace.name: trace for trace in figure.data if trace.mode == "markers"}, CATALOG["jacobian_map"].sentences(RunStyle("r"), frame)


def test_the_map_colours_in_powers_of_ten_and_hides_neither_silence_nor_nan() -> None:
    traces, said = map_of([2.0, 0.2, 0.0, 2e-30])
    assert list(traces["heard"].marker.color) == pytest.approx([0.0, -1.0, -8.0]), "the last at the end of the colours"
    assert list(traces["heard"].marker.symbol) == ["square", "circle", "diamond"]
    assert list(traces["silent"].marker.symbol) == ["circle-open"]
    assert said[0].startswith("After 4 steps the node that must be heard counts 1e-30 times as much as the read node itself.")
    assert said[0].endswith("1 of 4 nodes are not heard at all.")
    traces, said = map_of([2.0, math.nan, math.inf, 0.0])
    assert len(traces["odd"].x) == 2
    assert [one[2] for one in traces["odd"].customdata] == ["nan", "inf"]
    assert list(traces["silent"].marker.symbol) == ["diamond-open"]
    assert "is not heard. 1 of 4" in said[0]
    assert "not every number is finite" in map_of([math.nan, 1.0, 1.0, 1.0])[1][0]


def test_accuracy_stands_at_the_distance_before_rewiring_beside_the_walks() -> None:
    chart, styles = CATALOG["accuracy_by_distance"], [RunStyle(name, name) for name in ("near", "far", "apart")]
    frames = {
        name: stored({"graph/distance_before": distance, "accuracy/train": accuracy, "theory/walk": walk})
        for name, distance, accuracy, walk in (("near", 5.0, 1.0, 1e-3), ("far", 9.0, 0.4, 0.0), ("apart", math.inf, 0.2, 0.0))
    }
    traces = {trace.name: trace for trace in chart.figure(styles, frames, {}).data}
    dots = {name: (list(trace.x), list(trace.y)) for name, trace in traces.items() if name.endswith("largest")}
    assert dots == {"near · largest": ([5.0], [1.0]), "far · largest": ([9.0], [0.4]), "apart · largest": ([], [])}
    assert (list(traces["weight of walks"].x), list(traces["weight of walks"].y)) == ([5.0, 9.0], [1e-3, None])
    assert not chart.fits(styles[:1])


def test_the_line_of_the_walks_meets_the_measured_curve_where_the_distance_is_nothing() -> None:
    frame = stored({"jacobian/by_distance": [6.0, 3.0, 0.1], "theory/by_distance": [0.5, 0.25, 0.0]})
    figure = CATALOG["jacobian_by_distance"].figure([RunStyle("r", "one")], {"r": frame}, {})
    theory = next(trace for trace in figure.data if trace.meta["kind"] == "theory")
    assert list(theory.y) == [6.0, 3.0, None]
    bare = CATALOG["jacobian_by_distance"].figure([RunStyle("r", "one")], {"r": stored({"jacobian/by_distance": [0.0, 1.0]})}, {})
    assert next(len(trace.x) for trace in bare.data if trace.meta["kind"] == "theory") == 0
