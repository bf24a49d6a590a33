"""PIORF joins the nodes of the lowest curvature to those of the most different velocity, and its controls leave out one of the two."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
from scipy.optimize import linprog

from engine.labs.gnn.datasets.curvature import ollivier_E
from engine.labs.gnn.datasets.graph import Graph
from engine.labs.gnn.datasets.node_curvature import matched_ollivier_E, node_curvature_N
from engine.labs.gnn.remedies.rewiring import Rewiring
from tests.support.graphs import built, to_networkx, two_cliques

MESH = built("mesh", nodes=60)


def added(name: str, graph: Graph, edges: int, seed: int = 0) -> set[tuple[int, int]]:
    return set(Rewiring.answer(name)(edges=edges).rewire(graph, np.random.default_rng(seed)).pairs) - set(graph.pairs)


def lazy_curvature(graph: nx.Graph, hops: dict[int, dict[int, int]], i: int, j: int) -> float:
    """1 - W₁ of two lazy neighbourhoods, by the whole linear program with distances of networkx."""
    from_P, to_Q = ([end, *graph[end]] for end in (i, j))
    mass_P, mass_Q = (np.array([0.5, *[0.5 / graph.degree[end]] * graph.degree[end]]) for end in (i, j))
    cost_PQ = np.array([[hops[p][q] for q in to_Q] for p in from_P], dtype=float)
    sums = np.concatenate([np.kron(np.eye(len(from_P)), np.ones(len(to_Q))), np.kron(np.ones(len(from_P)), np.eye(len(to_Q)))])
    return 1.0 - linprog(cost_PQ.ravel(), A_eq=sums, b_eq=np.concatenate([mass_P, mass_Q])).fun


def test_the_picks_on_a_small_mesh_are_those_of_an_independent_calculation() -> None:
    graph = to_networkx(MESH)
    hops = dict(nx.all_pairs_shortest_path_length(graph))
    curvature = {pair: lazy_curvature(graph, hops, *pair) for pair in MESH.pairs}
    mean_N = [np.mean([curvature[tuple(sorted((node, other)))] for other in graph[node]]) for node in range(MESH.nodes)]
    np.testing.assert_allclose(node_curvature_N(MESH), mean_N, atol=1e-9)
    assert MESH.velocity_N2 is not None
    expected: set[tuple[int, int]] = set()
    for node in np.argsort(np.round(mean_N, 9), kind="stable")[:5].tolist():
        apart = {other: float(np.linalg.norm(MESH.velocity_N2[other] - MESH.velocity_N2[node])) for other in range(MESH.nodes)}
        free = [other for other in apart if other != node and not graph.has_edge(node, other)]
        partner = max(free, key=lambda other: (round(apart[other], 9), -other))
        graph.add_edge(node, partner)
        expected.add((min(node, partner), max(node, partner)))
    assert added("piorf", MESH, 5) == expected


@pytest.mark.parametrize("graph", [MESH, built("ba", nodes=30), built("barbell"), two_cliques(5)], ids=["mesh", "ba", "barbell", "cliques"])
@pytest.mark.parametrize("alpha", [0.0, 0.5])
def test_matching_units_of_mass_gives_the_curvature_of_the_linear_program(graph: Graph, alpha: float) -> None:
    np.testing.assert_allclose(matched_ollivier_E(graph, alpha), ollivier_E(graph, graph.pairs, alpha), atol=1e-9)


def test_curvatures_of_many_units_or_of_no_whole_number_are_those_of_the_program_too() -> None:
    star = Graph.of(40, [(0, node) for node in range(1, 24)] + [(1, node) for node in range(24, 40)])  # lcm 23 · 17
    for graph, alpha in ((star, 0.5), (MESH, 0.3)):
        np.testing.assert_allclose(matched_ollivier_E(graph, alpha)[:20], ollivier_E(graph, graph.pairs[:20], alpha), atol=1e-9)


def test_a_node_without_an_edge_has_no_curvature_and_is_no_bottleneck() -> None:
    graph = Graph.of(4, [(0, 1), (1, 2)], velocity_N2=np.array([[0.0, 0.0], [1.0, 0.0], [2.0, 0.0], [9.0, 0.0]]))
    assert node_curvature_N(graph)[3] == np.inf
    assert all(3 in pair for pair in added("piorf", graph, 3)), "but whoever differs most may be joined to it"


def test_the_controls_leave_out_the_curvature_or_the_velocities() -> None:
    degree_N, low_N = MESH.degree_N, np.argsort(np.round(node_curvature_N(MESH), 9), kind="stable")[:6]
    high_N = np.argsort(-degree_N, kind="stable")[:6].tolist()
    assert all(any(node in pair for pair in added("piorf_degree", MESH, 6)) for node in high_N)
    draws = [added("piorf_random_partner", MESH, 6, seed) for seed in range(2)]
    assert all(any(node in pair for pair in draw) for draw in draws for node in low_N.tolist())
    assert draws[0] != draws[1]
    assert added("piorf", MESH, 6, 0) == added("piorf", MESH, 6, 1), "nothing of it is random"


@pytest.mark.parametrize("name", ["piorf", "piorf_degree"])
def test_a_graph_without_velocities_is_refused_in_one_sentence(name: str) -> None:
    with pytest.raises(ValueError, match=r"^the graph has no velocities, .*; choose graph=mesh or another rewiring\.$"):
        added(name, built("ring"), 2)


def test_on_meshes_low_curvature_goes_with_high_degree() -> None:
    for seed in range(3):
        graph = built("mesh", seed)
        assert np.corrcoef(node_curvature_N(graph), graph.degree_N)[0, 1] < -0.7
