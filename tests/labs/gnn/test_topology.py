"""The panel of one graph: its numbers against networkx, its edits by hand and by rewiring, its control, and where nodes are drawn."""

from __future__ import annotations

import math
import subprocess
import sys
from typing import Any

import networkx
import numpy as np
import pytest

from engine.core.paths import ROOT
from engine.labs.gnn.datasets.distances import distances_NN, farthest
from engine.labs.gnn.datasets.graph import Graph
from engine.labs.gnn.datasets.layout import places_N2
from engine.labs.gnn.datasets.resistance import random_totals, total_resistance
from engine.labs.gnn.gnn import Gnn
from engine.labs.gnn.panels.topology import Topology
from engine.labs.gnn.remedies.graph import GraphChoice

RING = {"graph": {"is": "ring", "distance": 6}}
BARBELL = {"graph": {"is": "barbell"}}
ATTACHED = {"graph": {"is": "ba", "nodes": 40}, "seed": 3}


def computed(**knobs: Any) -> tuple[dict[str, Any], dict[str, list[Any]]]:
    """-> (the one row of "graph", all frames as lists)."""
    frames = {name: {k: list(v) for k, v in frame.items()} for name, frame in Topology.model_validate(knobs).compute().items()}
    return {name: values[0] for name, values in frames["graph"].items()}, frames


def of_networkx(frames: dict[str, Any]) -> networkx.Graph:
    made = networkx.Graph()
    made.add_nodes_from(frames["nodes"]["node"])
    made.add_edges_from(zip(frames["edges"]["a"], frames["edges"]["b"], strict=True))
    return made


@pytest.mark.parametrize("knobs", [{**BARBELL, "edits": "+0-20 -1-2 ~3"}, {**RING, "edits": "+3-9"}, {**ATTACHED, "edits": "~7 +0-39"}])
def test_the_numbers_are_those_of_networkx_after_the_edits(knobs: dict[str, Any]) -> None:
    row, frames = computed(**knobs)
    graph, before = of_networkx(frames), of_networkx(computed(**{**knobs, "edits": ""})[1])
    for word in knobs["edits"].split():
        ends = [int(node) for node in word[1:].split("-")]
        {"+": before.add_edge, "-": before.remove_edge, "~": before.remove_node}[word[0]](*ends)
    assert {frozenset(edge) for edge in graph.edges} == {frozenset(edge) for edge in before.edges}
    assert set(graph) == set(before)
    assert row["resistance"] == pytest.approx(networkx.effective_graph_resistance(graph), rel=1e-9)
    resistances = networkx.resistance_distance(graph)
    for a, b, ohm in zip(*(frames["edges"][name] for name in ("a", "b", "resistance")), strict=True):
        assert ohm == pytest.approx(resistances[a][b], rel=1e-9)
    assert row["gap"] == pytest.approx(np.linalg.eigvalsh(networkx.normalized_laplacian_matrix(graph).toarray())[1], rel=1e-9)
    with_loops = networkx.to_numpy_array(graph) + np.eye(len(graph))
    s = with_loops / np.sqrt(np.outer(with_loops.sum(0), with_loops.sum(0)))
    order = list(graph)
    walk = np.linalg.matrix_power(s, row["layers"])[order.index(row["reads"]), order.index(row["knows"])]
    assert row["walk"] == pytest.approx(walk, rel=1e-9)


def test_layers_are_counted_before_the_edits_so_that_both_trainings_have_as_many() -> None:
    assert computed(**RING)[0]["layers"] == computed(**RING, edits="+0-6")[0]["layers"] == 6


def test_a_run_of_the_same_seed_has_the_same_graph() -> None:
    for knobs in (ATTACHED, {**ATTACHED, "rewiring": {"is": "random", "edges": 5}, "edits": "~7"}):
        _, frames = computed(**knobs)
        number = {node: n for n, node in enumerate(frames["nodes"]["node"])}
        pairs = [(number[a], number[b]) for a, b in zip(frames["edges"]["a"], frames["edges"]["b"], strict=True)]
        graph = Gnn.model_validate(knobs).rewired_graph
        assert (graph.nodes, graph.pairs) == (len(number), pairs)


def test_a_graph_in_pieces_has_an_infinite_resistance_no_gap_and_no_walk() -> None:
    row, _ = computed(**BARBELL, edits="-10-11")
    assert (row["resistance"], row["gap"], row["walk"], row["random_draws"]) == (math.inf, 0.0, 0.0, 0)
    assert "in pieces" in computed(**BARBELL, edits="-10-11 +0-20")[0]["random_none"]


def test_random_edges_stand_beside_whatever_adds_edges_and_none_beats_gtr() -> None:
    assert computed(**BARBELL)[0]["random_draws"] == 0
    row, _ = computed(**BARBELL, rewiring={"is": "gtr", "edges": 4})
    assert (row["added"], row["random_draws"], row["random_below"]) == (4, 99, 0)
    assert row["resistance"] == pytest.approx(164.9, abs=0.05)
    assert computed(**BARBELL, edits="+0-9")[0]["random_draws"] == 99


def test_the_control_is_the_total_resistance_of_graphs_with_as_many_edges_more() -> None:
    graph = GraphChoice.answer("barbell")(clique=4, path=2).build(np.random.default_rng(0))
    totals, again = random_totals(graph, 3, 8, np.random.default_rng(1)), np.random.default_rng(1)
    open_Q2 = np.argwhere(graph.open_NN())
    by_hand = [total_resistance(graph.plus(open_Q2[again.choice(len(open_Q2), 3, replace=False)].tolist())) for _ in range(8)]
    assert totals == pytest.approx(sorted(by_hand), rel=1e-10)


def test_an_edit_that_the_rewiring_undoes_is_not_counted_and_what_it_brings_back_is() -> None:
    """Diffusion joins what has many ways between it: a removed edge of a clique, and not a new one over all of the barbell."""
    row, frames = computed(**BARBELL, rewiring={"is": "gdc"}, edits="+2-18 -1-2")
    edges = set(zip(frames["edges"]["a"], frames["edges"]["b"], strict=True))
    assert (1, 2) in edges
    assert (2, 18) not in edges
    unedited = {*of_networkx(computed(**BARBELL)[1]).edges} - {(1, 2)}
    assert row["added"] == len(edges - unedited) == sum(frames["edges"]["added"]) == 5
    assert 0.0 in frames["edges"]["curvature"], "and not 1e-16"


def test_an_edit_moves_no_node_and_a_marked_edge_has_its_ollivier_curvature() -> None:
    (_, before), (_, after) = computed(**BARBELL), computed(**BARBELL, edits="~3 +0-21", marked="21-0")
    stood, stand = ({n: (x, y) for n, x, y in zip(*frames["nodes"].values(), strict=True)} for frames in (before, after))
    assert stand.items() <= stood.items()
    assert stood.keys() - stand.keys() == {3}
    assert [after["marked"][name] for name in ("a", "b")] == [[0], [21]]
    assert computed(**{"graph": {"is": "complete", "nodes": 5}}, marked="0-1")[1]["marked"]["ollivier"] == pytest.approx([0.75])
    assert computed(**BARBELL, marked="0-21")[1]["marked"]["ollivier"] == []


@pytest.mark.parametrize(
    ("knobs", "part"),
    [
        ({"edits": "+0-1"}, "+0-1 adds an edge that the graph has already"),
        ({"edits": "~0"}, "~0 removes the node that is read"),
        ({"edits": "~15"}, "~15 removes the node that holds the class"),
        ({"graph": {"is": "spatial", "nodes": 5, "radius": 0.01}}, "node 0 would be read and hold the class itself"),
        ({"edits": "hello"}, "'hello' is no edit"),
        ({"marked": "x"}, "marked='x' is no edge"),
        ({"graph": {"is": "ba", "nodes": 5, "links": 9}}, "9 links"),
        ({"graph": {"is": "sbm", "blocks": 7, "size": 50, "inside": 1.0, "between": 1.0}}, "61,075 edges and at most 60,000"),
    ],
)
def test_what_cannot_be_is_said_in_one_sentence(knobs: dict[str, Any], part: str) -> None:
    with pytest.raises(ValueError, match=r"\.$") as refused:
        computed(**knobs)
    assert part in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.usefixtures("stored_set")
@pytest.mark.parametrize("name", GraphChoice.answers())
def test_no_two_nodes_of_any_family_are_drawn_on_one_place(name: str) -> None:
    graph = GraphChoice.answer(name)().build(np.random.default_rng(0))
    place_N2 = places_N2(graph)
    assert place_N2.shape == (graph.nodes, 2)
    assert place_N2.min() == 0.0
    assert place_N2.max() == 1.0
    apart_NN = np.linalg.norm(place_N2[:, None] - place_N2[None], axis=2) + np.eye(graph.nodes)
    assert apart_NN.min() > 0.1 / graph.nodes


@pytest.mark.parametrize("graph", [Graph.of(1, []), Graph.of(2, []), Graph.of(3, [(0, 2)]), Graph.of(9, [(0, 1), (3, 4)])])
def test_graphs_of_hardly_any_edge_have_places_too(graph: Graph) -> None:
    place_N2 = places_N2(graph)
    assert np.isfinite(place_N2).all()
    assert len(np.unique(place_N2, axis=0)) == graph.nodes


def test_the_farthest_nodes_are_the_first_of_all_pairs_that_are_as_far_apart() -> None:
    generator = np.random.default_rng(0)
    for _ in range(60):
        nodes = int(generator.integers(1, 140))
        graph = Graph.of(nodes, generator.integers(0, nodes, (int(generator.integers(0, 2 * nodes)), 2)).tolist())
        hops_NN = distances_NN(graph)
        hops_NN[np.isinf(hops_NN)] = 0.0
        assert farthest(graph) == np.unravel_index(int(hops_NN.argmax()), hops_NN.shape)


def test_a_child_of_the_fork_server_imports_nothing_more_than_our_own_files_for_it() -> None:
    code = """
import sys, numpy
from engine.worker import panel_libraries
panel_libraries.load()
from engine.labs.gnn.panels.topology import Topology
ours = set(sys.modules)
for knobs in ({"marked": "0-1"}, {"graph": "ba", "rewiring": "gtr"}, {"graph": {"is": "ring", "distance": 300}}):
    Topology.model_validate(knobs).compute()
print(*(set(sys.modules) - ours))
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert {name.partition(".")[0] for name in done.stdout.split()} <= {"engine"}
