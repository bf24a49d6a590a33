"""Distances, resistance, spectrum and walks of a graph are those of closed forms, of networkx and of plain matrix algebra."""

from __future__ import annotations

import itertools

import networkx as nx
import numpy as np
import pytest

from engine.labs.gnn.datasets import spectrum
from engine.labs.gnn.datasets.distances import distances_NN, farthest
from engine.labs.gnn.datasets.graph import Graph
from engine.labs.gnn.datasets.resistance import (
    Updated,
    commute_times_NN,
    laplacian_NN,
    pseudo_inverse_NN,
    resistances_NN,
    total_resistance,
)
from engine.labs.gnn.datasets.walks import convolution_NN, walk
from tests.support.graphs import built, of_networkx, to_networkx, two_cliques

CONNECTED = {
    "barbell": built("barbell"),
    "tree": built("tree"),
    "grid": built("grid", rows=4, columns=5),
    "ws": built("ws", nodes=30),
    "ba": built("ba", nodes=40),
    "complete": built("complete", nodes=7),
    "two nodes": of_networkx(nx.path_graph(2)),
}
APART = of_networkx(nx.disjoint_union_all([nx.complete_graph(4), nx.path_graph(3), nx.empty_graph(1)]))


def test_distances_are_hops_and_the_farthest_pair_is_the_first_of_the_longest_paths() -> None:
    for graph in CONNECTED.values():
        hops = dict(nx.all_pairs_shortest_path_length(to_networkx(graph)))
        assert [[hops[a][b] for b in range(graph.nodes)] for a in range(graph.nodes)] == distances_NN(graph).tolist()
    assert farthest(CONNECTED["barbell"]) == (0, 15)
    assert distances_NN(APART)[0, 4] == np.inf
    assert farthest(APART) == (4, 6), "what has no path is not far, it is nowhere"
    assert farthest(Graph.of(3, [])) == (0, 0)


@pytest.mark.parametrize("name", CONNECTED)
def test_the_total_resistance_is_that_of_networkx(name: str) -> None:
    graph = CONNECTED[name]
    assert total_resistance(graph) == pytest.approx(nx.effective_graph_resistance(to_networkx(graph)), rel=1e-10)


def test_the_total_resistance_has_its_closed_forms() -> None:
    for n in (2, 3, 9, 20):
        assert total_resistance(of_networkx(nx.complete_graph(n))) == pytest.approx(n - 1, rel=1e-12)
        assert total_resistance(of_networkx(nx.path_graph(n))) == pytest.approx((n**3 - n) / 6, rel=1e-12)
    assert total_resistance(of_networkx(nx.cycle_graph(9))) == pytest.approx((9**3 - 9) / 12, rel=1e-12)
    assert total_resistance(APART) == np.inf
    assert total_resistance(Graph.of(1, [])) == 0.0


def test_resistances_are_those_of_networkx_also_with_weights_and_infinite_between_components() -> None:
    made = to_networkx(CONNECTED["ws"])
    theirs = nx.resistance_distance(made)
    np.testing.assert_allclose(resistances_NN(CONNECTED["ws"]), [[theirs[a][b] for b in made] for a in made], atol=1e-12)
    path = of_networkx(nx.path_graph(3))
    weighted = Graph(3, path.edges_E2, path.added_E, np.array([2.0, 4.0]))
    assert resistances_NN(weighted)[0, 2] == pytest.approx(0.75), "two resistors of 1/2 and 1/4 ohm in a row"
    assert np.isinf(resistances_NN(APART)[0, [4, 7]]).all()
    assert resistances_NN(APART)[4, 6] == pytest.approx(2.0)


def test_the_pseudo_inverse_has_its_four_defining_properties_on_several_components() -> None:
    for graph in (APART, CONNECTED["barbell"]):
        laplacian, plus = laplacian_NN(graph), pseudo_inverse_NN(graph)
        np.testing.assert_allclose(laplacian @ plus @ laplacian, laplacian, atol=1e-11)
        np.testing.assert_allclose(plus @ laplacian @ plus, plus, atol=1e-11)
        np.testing.assert_allclose(laplacian @ plus, (laplacian @ plus).T, atol=1e-11)
        assert (plus == plus.T).all()


def test_the_commute_time_is_the_sum_of_two_hitting_times() -> None:
    graph = CONNECTED["barbell"]
    step_NN = graph.adjacency_NN() / graph.degree_N[:, None]
    for u, v in ((0, 15), (3, 9), (8, 13)):
        others = [[node for node in range(graph.nodes) if node != end] for end in (u, v)]
        times = [np.linalg.solve(np.eye(graph.nodes - 1) - step_NN[np.ix_(rest, rest)], np.ones(graph.nodes - 1)) for rest in others]
        expected = times[0][others[0].index(v)] + times[1][others[1].index(u)]
        assert commute_times_NN(graph)[u, v] == pytest.approx(expected, rel=1e-10)


def test_no_walk_comes_back_from_another_component_also_where_there_is_no_edge() -> None:
    assert commute_times_NN(Graph.of(2, [])).tolist() == [[0.0, np.inf], [np.inf, 0.0]]
    assert commute_times_NN(APART)[0, 4] == np.inf


@pytest.mark.parametrize("name", ["barbell", "tree", "ws"])
def test_an_updated_pseudo_inverse_and_its_square_are_those_computed_afresh(name: str) -> None:
    graph, state, generator = CONNECTED[name], Updated.of(CONNECTED[name]), np.random.default_rng(1)
    for _ in range(6):
        s, t = generator.permutation(np.argwhere(graph.open_NN()))[0].tolist()
        promised = graph.nodes * state.gains_NN()[s, t]
        before, graph = total_resistance(graph), graph.plus([(s, t)])
        state.add(s, t)
        assert before - total_resistance(graph) == pytest.approx(promised, rel=1e-9)
        fresh = pseudo_inverse_NN(graph)
        np.testing.assert_allclose(state.plus_NN, fresh, atol=1e-10)
        np.testing.assert_allclose(state.square_NN, fresh @ fresh, atol=1e-10)


def test_the_spectral_gap_has_its_closed_forms_and_is_0_where_the_graph_falls_apart() -> None:
    assert spectrum.spectral_gap(built("complete", nodes=5)) == pytest.approx(5 / 4, rel=1e-12)
    assert spectrum.spectral_gap(built("barbell")) == pytest.approx(0.0048, abs=5e-5)
    assert spectrum.spectral_gap(of_networkx(nx.cycle_graph(600))) == pytest.approx(1 - np.cos(2 * np.pi / 600), rel=1e-8)
    assert spectrum.spectral_gap(APART) == 0.0
    assert np.isnan(spectrum.spectral_gap(Graph.of(1, [])))


def test_the_sparse_way_to_the_gap_agrees_with_the_dense_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for graph in (built("ba", nodes=80), built("ring", distance=60), built("expander", nodes=100), built("barbell", clique=20, path=30)):
        dense = spectrum.spectral_gap(graph), spectrum.sweep_cut(graph)[0]
        with monkeypatch.context() as patch:
            patch.setattr(spectrum, "DENSE", 0)
            assert (spectrum.spectral_gap(graph), spectrum.sweep_cut(graph)[0]) == pytest.approx(dense, rel=1e-8)


def test_the_narrowest_cut_lies_between_cheegers_bounds_and_the_sweep_finds_one_below_the_upper() -> None:
    for made in (nx.barbell_graph(4, 2), nx.cycle_graph(9), nx.star_graph(7), to_networkx(built("ws", nodes=9, rewired=0.3))):
        graph = of_networkx(made)
        low, high = spectrum.cheeger_bounds(spectrum.spectral_gap(graph))
        sides = itertools.chain.from_iterable(itertools.combinations(range(1, graph.nodes), k) for k in range(1, graph.nodes))
        narrowest = min(nx.conductance(to_networkx(graph), side) for side in sides)
        cut, side_N = spectrum.sweep_cut(graph)
        assert cut == pytest.approx(nx.conductance(to_networkx(graph), np.flatnonzero(side_N).tolist()), rel=1e-12)
        assert low <= narrowest <= cut * (1 + 1e-12) <= high * (1 + 1e-9)
    cut, side_N = spectrum.sweep_cut(two_cliques(5))
    assert (cut, sorted(np.flatnonzero(side_N).tolist()) in ([0, 1, 2, 3, 4], [5, 6, 7, 8, 9])) == (pytest.approx(1 / 21), True)
    assert spectrum.sweep_cut(APART)[0] == 0.0


POWERS = {  # graph -> distance -> (S^r)_{v, u} without and with self loops
    "ring": {4: (1.25e-1, 2.47e-2), 6: (3.13e-2, 2.74e-3), 8: (7.81e-3, 3.05e-4), 10: (1.95e-3, 3.39e-5)},
    "crossed_ring": {4: (1.11e-1, 3.33e-2), 6: (2.78e-2, 5.33e-3), 8: (6.94e-3, 8.53e-4), 10: (1.74e-3, 1.37e-4)},
    "clique_path": {4: (5.89e-2, 1.13e-2), 6: (6.25e-3, 6.51e-4), 8: (9.11e-4, 4.58e-5), 10: (1.53e-4, 3.59e-6)},
}
CLOSED = {  # without self loops
    "ring": lambda r: 2.0 ** -(r - 1),
    "crossed_ring": lambda r: 16 / 9 * 2.0**-r,
    "clique_path": lambda r: 2.0 ** -(r - 2) / ((r - 1) * (r - 2) ** 0.5),
}


def test_the_closed_form_of_the_crossed_ring_begins_at_distance_3() -> None:
    arrives = {distance: walk(built("crossed_ring", distance=distance), 0, distance, distance, loops=False) for distance in (2, 3)}
    assert arrives == pytest.approx({2: 1 / 2, 3: CLOSED["crossed_ring"](3)}, rel=1e-12)


@pytest.mark.parametrize("name", POWERS)
def test_what_arrives_over_a_distance_is_the_entry_of_the_matrix_power(name: str) -> None:
    for distance, expected in POWERS[name].items():
        graph = built(name, distance=distance)
        ends = (0, graph.nodes - 1 if name == "clique_path" else distance)
        bare, looped = (walk(graph, *ends, distance, loops) for loops in (False, True))
        assert (bare, looped) == pytest.approx(expected, rel=5e-3)
        assert bare == pytest.approx(CLOSED[name](distance), rel=1e-12)
        ones_NN = graph.adjacency_NN() + np.eye(graph.nodes)
        dense_NN = ones_NN / np.sqrt(np.outer(ones_NN.sum(axis=0), ones_NN.sum(axis=0)))
        assert looped == pytest.approx(np.linalg.matrix_power(dense_NN, distance)[ends[1], ends[0]], rel=1e-12)
        assert walk(graph, *ends, distance - 1) == 0.0, "fewer steps than hops: exactly nothing"


def test_a_node_without_edges_keeps_its_message_by_its_loop_alone() -> None:
    assert convolution_NN(APART).toarray()[7, 7] == 1.0
    assert convolution_NN(APART, loops=False).toarray()[7].tolist() == [0.0] * 8
