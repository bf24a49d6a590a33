"""Curvatures of edges are those of their definitions, counted and solved in the plainest way, and have their known values."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
from scipy.optimize import linprog

from engine.labs.gnn.datasets import curvature
from engine.labs.gnn.datasets.curvature import (
    augmented_forman_E,
    balanced_forman_E,
    balanced_forman_of,
    forman_E,
    ollivier_E,
    ones_NN,
)
from engine.labs.gnn.datasets.graph import Graph
from tests.support.graphs import built, of_networkx, to_networkx, two_cliques

CASES = {  # graph, an edge, balanced Forman, Ollivier with alpha 0 and 1/2
    "C3": (of_networkx(nx.cycle_graph(3)), (0, 1), 1.5, 0.5, 0.75),
    "C4": (of_networkx(nx.cycle_graph(4)), (0, 1), 1.0, 0.0, 0.5),
    "C5": (of_networkx(nx.cycle_graph(5)), (0, 1), 0.0, 0.0, 0.25),
    "C8": (of_networkx(nx.cycle_graph(8)), (0, 1), 0.0, 0.0, 0.0),
    "K5": (of_networkx(nx.complete_graph(5)), (0, 1), 1.25, 0.75, 0.625),
    "tree": (built("tree", distance=4), (1, 3), -2 / 3, -2 / 3, -1 / 3),
    "bridge": (two_cliques(5), (4, 5), -1.2, -1.2, -0.6),
    "torus": (built("grid", rows=6, columns=6, wrap=True), (0, 1), 0.0, 0.0, 0.0),
    "K33": (of_networkx(nx.complete_bipartite_graph(3, 3)), (0, 3), 0.0, 0.0, 1 / 3),
}


@pytest.mark.parametrize("name", CASES)
def test_curvatures_have_their_known_values(name: str) -> None:
    graph, edge, forman, bare, lazy = CASES[name]
    at = graph.pairs.index(edge)
    assert balanced_forman_E(graph)[at] == pytest.approx(forman, abs=1e-12)
    assert (ollivier_E(graph, [edge])[0], ollivier_E(graph, [edge], alpha=0.5)[0]) == pytest.approx((bare, lazy), abs=1e-9)


def test_augmented_forman_counts_triangles() -> None:
    for name, value in (("C3", 3.0), ("K5", 5.0), ("bridge", -6.0)):
        graph, edge, *_ = CASES[name]
        assert augmented_forman_E(graph)[graph.pairs.index(edge)] == value
    assert set(forman_E(CASES["C8"][0])) == {0.0}
    star = of_networkx(nx.star_graph(4))
    assert set(balanced_forman_E(star)) == {0.0}, "an end of degree 1"
    assert (len(balanced_forman_E(Graph.of(3, []))), len(ollivier_E(Graph.of(3, []), []))) == (0, 0)


def counted(made: nx.Graph, i: int, j: int) -> float:
    """Balanced Forman curvature with Python sets, word by word as definition 1 of Topping et al. 2022 says it."""
    near = {node: set(made[node]) for node in made}
    low, high = sorted((len(near[i]), len(near[j])))
    if low == 1:
        return 0.0
    ways = [{k: (near[k] & near[b]) - near[a] - {a} for k in near[a] - near[b] - {b}} for a, b in ((i, j), (j, i))]
    four = [[k for k, over in side.items() if over] for side in ways]
    most = max((len(over) for side in ways for over in side.values()), default=0)
    triangles = len(near[i] & near[j])
    squares = (len(four[0]) + len(four[1])) / (most * high) if most else 0.0
    return 2 / low + 2 / high - 2 + 2 * triangles / high + triangles / low + squares


@pytest.mark.parametrize("dense", [512, 0])
def test_balanced_forman_of_all_edges_is_what_sets_count(dense: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(curvature, "DENSE", dense)
    monkeypatch.setattr(curvature, "CHUNK", 200)
    for seed in range(4):
        graph = of_networkx(nx.gnp_random_graph(18, 0.15 + 0.1 * seed, seed=seed))
        expected = [counted(to_networkx(graph), *pair) for pair in graph.pairs]
        np.testing.assert_allclose(balanced_forman_E(graph), expected, atol=1e-12)
        np.testing.assert_allclose([balanced_forman_of(ones_NN(graph), *pair) for pair in graph.pairs], expected, atol=1e-12)


def carried(made: nx.Graph, i: int, j: int, alpha: float) -> float:
    """1 - W₁ by a linear program over all pairs of nodes, nothing left out."""
    n = made.number_of_nodes()
    hops = dict(nx.all_pairs_shortest_path_length(made))
    masses = []
    for end in (i, j):
        mass = np.zeros(n)
        mass[list(made[end])] = (1 - alpha) / len(made[end])
        mass[end] = alpha
        masses.append(mass)
    sums = np.concatenate([np.kron(np.eye(n), np.ones(n)), np.kron(np.ones(n), np.eye(n))])
    cost = [hops[a].get(b, 99) for a in range(n) for b in range(n)]
    return 1.0 - linprog(cost, A_eq=sums, b_eq=np.concatenate(masses)).fun


@pytest.mark.parametrize("alpha", [0.0, 0.3])
def test_ollivier_is_the_cheapest_transport_over_all_nodes(alpha: float) -> None:
    graph = of_networkx(nx.gnp_random_graph(11, 0.35, seed=2))
    expected = [carried(to_networkx(graph), *pair, alpha) for pair in graph.pairs]
    np.testing.assert_allclose(ollivier_E(graph, graph.pairs, alpha), expected, atol=1e-8)


def test_a_pair_that_is_no_edge_has_no_curvature() -> None:
    with pytest.raises(ValueError, match="0-2 is no edge"):
        ollivier_E(CASES["C5"][0], [(0, 2)])
