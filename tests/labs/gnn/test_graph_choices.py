"""Every family of graphs keeps its promises, and those of the transfer task are the graphs of the authors' code."""

from __future__ import annotations

from typing import Any

import networkx as nx
import numpy as np
import pytest

from engine.declare.knobs import describe
from engine.labs.gnn.datasets.distances import connected, distances_NN
from engine.labs.gnn.datasets.graph import Graph
from engine.labs.gnn.datasets.resistance import total_resistance
from engine.labs.gnn.remedies.graph import GraphChoice
from tests.support.authors import recorded
from tests.support.graphs import built, to_networkx

FAMILIES = GraphChoice.answers()
pytestmark = pytest.mark.usefixtures("stored_set")
_, RECORDED = recorded("ring_transfer")


def is_simple(graph: Graph) -> bool:
    """No loop, no double edge, ends in order, one flag and one weight for each edge."""
    pairs = graph.pairs
    ordered = pairs == sorted(set(pairs)) and all(0 <= a < b < graph.nodes for a, b in pairs)
    return ordered and len(graph.added_E) == len(graph.weight_E) == len(pairs) and not graph.added_E.any()


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_builds_a_simple_graph_that_the_seed_alone_decides(name: str) -> None:
    graph, again, other = built(name, 3), built(name, 3), built(name, 4)
    assert is_simple(graph)
    assert graph.pairs == again.pairs
    reads, knows = GraphChoice.answer(name)().ends(graph)
    assert np.isfinite(distances_NN(graph)[reads, knows])
    assert reads != knows
    if name in ("expander", "sbm", "ba", "ws", "spatial", "mesh", "molecules"):
        assert graph.pairs != other.pairs
    else:
        assert graph.pairs == other.pairs, "nothing of it is random"


@pytest.mark.parametrize("name", FAMILIES)
def test_at_the_lower_end_of_a_knob_a_family_builds_a_graph_or_says_what_does_not_go_together(name: str) -> None:
    refused = []
    for knob in (knob for knob in describe(GraphChoice.answer(name)) if knob["kind"] != "str"):
        given: dict[str, Any] = {knob["name"]: knob["min"] if knob["kind"] != "bool" else True}
        try:
            graph = built(name, **given)
        except ValueError as error:
            refused.append(str(error))
        else:
            assert is_simple(graph)
            assert graph.nodes >= 2
    assert all(message.endswith(".") and ". " not in message for message in refused), "one sentence"


@pytest.mark.parametrize(
    ("name", "knobs", "their_name"),
    [
        ("ring", {"distance": 3}, "ring_6"),
        ("ring", {"distance": 5}, "ring_10"),
        ("crossed_ring", {"distance": 5}, "crossed_ring_10"),
        ("tree", {"distance": 2, "arity": 3}, "tree_depth2_arity3"),
        ("clique_path", {"distance": 6}, "lollipop_10"),
    ],
)
def test_a_transfer_graph_is_that_of_the_authors_without_their_double_edges(name: str, knobs: dict[str, int], their_name: str) -> None:
    graph, theirs = built(name, **knobs), RECORDED[their_name]
    assert graph.nodes == theirs["nodes"]
    assert graph.pairs == sorted({(min(pair), max(pair)) for pair in theirs["directed_edges_in_order"]})
    ends = GraphChoice.answer(name)(**knobs).ends(graph)
    assert ends == (theirs["reads_out_at"][0], theirs["label_sits_at"][0])
    assert distances_NN(graph)[ends] == theirs["distance_between_them"] == knobs["distance"]


def test_the_bottlenecks_have_the_resistance_that_is_written_about_them() -> None:
    assert total_resistance(built("barbell")) == pytest.approx(882.0)
    assert total_resistance(built("ring_of_cliques")) == pytest.approx(1667.7, abs=0.05)
    assert GraphChoice.answer("barbell")().ends(built("barbell")) == (0, 15)


def test_two_eigenvectors_of_a_ring_of_cliques_share_the_second_eigenvalue() -> None:
    values = np.sort(nx.normalized_laplacian_spectrum(to_networkx(built("ring_of_cliques"))))
    assert values[2] - values[1] < 1e-12 < values[3] - values[2]


def test_random_families_have_the_property_that_defines_them() -> None:
    expander = built("expander", nodes=50, degree=4)
    assert set(expander.degree_N.tolist()) == {4}
    assert connected(expander)
    assert built("ws", rewired=0.0, nodes=12).pairs == sorted(
        {(min(a, b), max(a, b)) for a in range(12) for b in ((a + 1) % 12, (a + 2) % 12)}
    )
    assert len(built("ba", nodes=40, links=3).pairs) == 3 * 37
    blocks = built("sbm", blocks=3, size=5, inside=1.0, between=0.0)
    assert blocks.pairs == [(5 * k + a, 5 * k + b) for k in range(3) for a in range(5) for b in range(a + 1, 5)]
    spatial = built("spatial", nodes=30, radius=0.3)
    assert spatial.position_N2 is not None
    apart = np.linalg.norm(spatial.position_N2[:, None] - spatial.position_N2[None], axis=2)
    assert spatial.pairs == [(a, b) for a in range(30) for b in range(a + 1, 30) if apart[a, b] <= 0.3]


def test_neighbours_on_a_grid_lie_side_by_side() -> None:
    grid = built("grid", rows=3, columns=5)
    assert grid.position_N2 is not None
    assert len(grid.pairs) == 3 * 4 + 2 * 5
    steps = grid.position_N2[grid.edges_E2[:, 0]] - grid.position_N2[grid.edges_E2[:, 1]]
    np.testing.assert_allclose(np.linalg.norm(steps, axis=1), 0.25)


@pytest.mark.parametrize(
    ("name", "knobs", "message"),
    [
        ("tree", {"arity": 5, "distance": 10}, "12,207,031 nodes; at most 3,000"),
        ("expander", {"nodes": 9, "degree": 3}, "one of the two even"),
        ("ba", {"nodes": 5, "links": 5}, "give fewer links or more nodes"),
        ("ws", {"neighbours": 3}, "give an even number below 60"),
    ],
)
def test_what_does_not_go_together_is_said_in_one_sentence(name: str, knobs: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        built(name, **knobs)
