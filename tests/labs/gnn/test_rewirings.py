"""Every rewiring keeps what it must on awkward graphs, and each published one does what its paper and its authors' code do."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import networkx as nx
import numpy as np
import pytest

from engine.labs.gnn.datasets.curvature import balanced_forman_E, balanced_forman_of, ollivier_E, ones_NN
from engine.labs.gnn.datasets.graph import Graph
from engine.labs.gnn.datasets.resistance import total_resistance
from engine.labs.gnn.datasets.spectrum import spectral_gap
from engine.labs.gnn.remedies.rewiring import Rewiring
from engine.labs.gnn.remedies.rewiring.fosr import first_order_edges
from engine.labs.gnn.remedies.rewiring.gtr import greedy_edges
from tests.support.authors import recorded
from tests.support.graphs import built, of_networkx, two_cliques

OTHER = {"virtual_node", "gdc", "fully_adjacent"}  # they add no `edges` to a bare graph
ARMS: dict[str, tuple[str, dict[str, Any]]] = {name: (name, {}) for name in Rewiring.answers() if name not in OTHER}
ARMS |= {"sdrf that removes": ("sdrf", {"removal": 0.5}), "borf that removes": ("borf", {"removed": 2, "batch": 3})}
REMOVING = {"sdrf that removes", "borf that removes"}
GRAPHS = {
    "apart": of_networkx(nx.disjoint_union_all([nx.complete_graph(4), nx.path_graph(5), nx.empty_graph(2)])),
    "complete": built("complete", nodes=6),
    "two nodes": of_networkx(nx.path_graph(2)),
    "two nodes apart": Graph.of(2, []),
    "barbell": built("barbell", clique=4, path=2),
}


def rewired(name: str, graph: Graph, seed: int = 0, **knobs: Any) -> Graph:
    """Of a graph in a flow, for some rewirings ask for one."""
    if graph.velocity_N2 is None:
        graph = replace(graph, velocity_N2=np.random.default_rng(0).normal(size=(graph.nodes, 2)))
    return Rewiring.answer(name)(**knobs).rewire(graph, np.random.default_rng(seed))


@pytest.mark.parametrize("graph", GRAPHS)
@pytest.mark.parametrize("arm", ARMS)
def test_a_rewiring_keeps_nodes_places_and_weights_and_stays_simple(arm: str, graph: str) -> None:
    name, knobs = ARMS[arm]
    given = GRAPHS[graph]
    position_N2, velocity_N2 = np.random.default_rng(0).random((2, given.nodes, 2))
    given = replace(given, weight_E=1.0 + np.arange(len(given.weight_E)), position_N2=position_N2, velocity_N2=velocity_N2)
    before = replace(given, edges_E2=given.edges_E2.copy(), weight_E=given.weight_E.copy())
    budget = {} if name == "none" else {"edges": 12}
    after = rewired(name, given, **budget, **knobs)
    assert after.nodes == given.nodes
    assert after.position_N2 is given.position_N2
    assert after.velocity_N2 is given.velocity_N2
    assert after.pairs == sorted(set(after.pairs)), "undirected and without double edges"
    assert all(0 <= a < b < given.nodes for a, b in after.pairs), "no loop"
    weights = dict(zip(given.pairs, given.weight_E, strict=True))
    for pair, weight, added in zip(after.pairs, after.weight_E, after.added_E, strict=True):
        assert added or weight == weights[pair], "an edge of the data keeps its weight, and no other is unmarked"
    if arm not in REMOVING:
        assert set(given.pairs) <= set(after.pairs)
    assert after.added_E.sum() <= 12
    assert given.pairs == before.pairs, "the graph that was given is left alone"
    again = rewired(name, given, **budget, **knobs)
    assert (after.pairs, after.weight_E.tolist()) == (again.pairs, again.weight_E.tolist()), "the same draws, the same graph"


@pytest.mark.parametrize("arm", [arm for arm, (name, _) in ARMS.items() if name != "none"])
def test_a_rewiring_adds_as_many_edges_as_asked_for_and_ends_early_where_none_is_left(arm: str) -> None:
    name, knobs = ARMS[arm]
    full = rewired(name, GRAPHS["complete"], edges=5, **knobs)
    assert not full.added_E.any()
    if arm not in REMOVING:
        assert rewired(name, GRAPHS["barbell"], edges=0).pairs == GRAPHS["barbell"].pairs
        assert rewired(name, GRAPHS["barbell"], edges=5).added_E.sum() == 5
        for line in (of_networkx(nx.path_graph(4)), built("ring", distance=3)):
            until = line if name == "borf" else of_networkx(nx.complete_graph(line.nodes))  # there nothing is moved beyond one hop
            assert rewired(name, line, edges=50).pairs == until.pairs


@pytest.mark.parametrize("name", ["random", "gtr", "fosr"])
def test_fewer_edges_are_the_first_of_more(name: str) -> None:
    graphs = [set(rewired(name, GRAPHS["barbell"], edges=edges).pairs) for edges in range(7)]
    assert all(few < more for few, more in itertools.pairwise(graphs))


def test_random_edges_are_as_likely_on_every_pair_without_one() -> None:
    path = of_networkx(nx.path_graph(4))
    drawn = [rewired("random", path, seed, edges=1) for seed in range(300)]
    counts = np.unique([graph.pairs[int(graph.added_E.argmax())] for graph in drawn], axis=0, return_counts=True)[1]
    assert len(counts) == 3
    assert counts.min() > 70, "100 each on average"


# -- greedy total resistance -------------------------------------------------------------------------


GTR_GIVEN, GTR_RECORDED = recorded("gtr")


@pytest.mark.parametrize("name", GTR_GIVEN)
def test_the_totals_after_each_greedy_edge_are_those_of_the_authors(name: str) -> None:
    given, expected = GTR_GIVEN[name], GTR_RECORDED[name]
    graph = Graph.of(given["nodes"], given["edges"])
    totals = [total_resistance(graph.plus(greedy_edges(graph, edges))) for edges in range(7)]
    np.testing.assert_allclose(totals, expected["total_resistance"], rtol=1e-12)


def test_the_barbell_has_the_sequence_that_is_written_about_it() -> None:
    graph = built("barbell")
    chosen = greedy_edges(graph, 8)
    totals = [round(total_resistance(graph.plus(chosen[:edges])), 1) for edges in range(9)]
    assert totals == [882.0, 292.4, 239.0, 189.4, 164.9, 149.2, 136.2, 125.8, 116.9]
    assert spectral_gap(graph.plus(chosen[:6])) == pytest.approx(0.0885, abs=5e-5)


def test_a_greedy_edge_is_the_best_of_all_pairs_and_never_raises_the_total() -> None:
    graph = built("ws", nodes=14)
    for pair in greedy_edges(graph, 4):
        trials = {tuple(trial): total_resistance(graph.plus([trial])) for trial in np.argwhere(graph.open_NN()).tolist()}
        assert trials[pair] == pytest.approx(min(trials.values()), rel=1e-9)
        assert trials[pair] < total_resistance(graph)
        graph = graph.plus([pair])


@pytest.mark.parametrize("graph", ["barbell", "ring_of_cliques"])
@pytest.mark.parametrize("edges", [4, 8])
def test_greedy_total_resistance_ends_below_the_others_and_below_random_edges(graph: str, edges: int) -> None:
    given = built(graph)
    greedy = total_resistance(rewired("gtr", given, edges=edges))
    draws = [total_resistance(rewired("random", given, seed, edges=edges)) for seed in range(100)]
    assert sum(greedy < total for total in draws) >= 99
    others = [rewired("borf", given, edges=edges)]
    others += [rewired("fosr", given, seed, edges=edges, power_iterations=500) for seed in range(3)]
    others += [rewired("sdrf", given, seed, edges=edges, tau=tau) for seed in range(2) for tau in (1.0, 100.0)]
    assert all(greedy < total_resistance(other) for other in others)


# -- first-order spectral rewiring -------------------------------------------------------------------


FOSR_GIVEN, FOSR_RECORDED = recorded("fosr")


@pytest.mark.parametrize("iterations", [5, 50, 500])
def test_gaps_and_edges_of_first_order_rewiring_are_those_of_the_authors(iterations: int) -> None:
    graph, expected = Graph.of(FOSR_GIVEN["nodes"], FOSR_GIVEN["edges"]), FOSR_RECORDED[f"initial_power_iterations_{iterations}"]
    chosen = first_order_edges(graph, 6, iterations, np.array(FOSR_GIVEN["start_vector"]))
    gaps = [spectral_gap(graph.plus(chosen[:edges])) for edges in range(7)]
    np.testing.assert_allclose(gaps, expected["spectral_gap"], atol=1e-12)
    if "added_edges" in expected:
        assert chosen == [(min(pair), max(pair)) for pair in expected["added_edges"]]


def test_few_power_iterations_place_edges_worse_than_chance_on_the_barbell() -> None:
    graph = built("barbell")
    few, enough, chance = (
        np.mean([total_resistance(rewired(name, graph, seed, edges=4, **knobs)) for seed in range(10)])
        for name, knobs in (("fosr", {"power_iterations": 5}), ("fosr", {}), ("random", {}))
    )
    assert enough < few
    assert chance < few


# -- curvature flows ---------------------------------------------------------------------------------


def test_ricci_flow_joins_the_neighbourhoods_of_the_bridge_by_the_best_pair_where_it_is_sure() -> None:
    graph = two_cliques(5)
    after = rewired("sdrf", graph, edges=1, tau=1e4)
    (pair,) = set(after.pairs) - set(graph.pairs)
    around = [[0, 1, 2, 3, 4, 5], [4, 5, 6, 7, 8, 9]]
    trials = [(a, b) for a in around[0] for b in around[1] if a < b and (a, b) not in graph.pairs]
    values = {trial: balanced_forman_of(ones_NN(graph.plus([trial])), 4, 5) for trial in trials}
    assert values[pair] == pytest.approx(max(values.values()), abs=1e-9)
    blind = {next(iter(set(rewired("sdrf", graph, seed, edges=1, tau=0.0).pairs) - set(graph.pairs))) for seed in range(40)}
    assert len(blind) > 10, "without tau every pair of the two neighbourhoods may come"


def test_ricci_flow_removes_the_most_curved_edge_only_above_its_bound() -> None:
    graph = two_cliques(5)
    kept, removed = (rewired("sdrf", graph, edges=1, tau=1e4, removal=bound) for bound in (9.0, 0.5))
    assert len(kept.pairs) == len(graph.pairs) + 1
    (gone,) = set(kept.pairs) - set(removed.pairs)
    assert balanced_forman_E(kept)[kept.pairs.index(gone)] == pytest.approx(balanced_forman_E(kept).max(), abs=1e-9)


def test_batch_flow_joins_what_is_dearest_to_move_over_the_most_negative_edge_and_removes_the_most_positive() -> None:
    graph = two_cliques(5)
    after = rewired("borf", graph, edges=1, batch=1, removed=1)
    (new,), (gone,) = set(after.pairs) - set(graph.pairs), set(graph.pairs) - set(after.pairs)
    assert (new[0] < 4, new[1] > 5) == (True, True), "three hops apart, over the bridge"
    curvatures = ollivier_E(graph, graph.pairs)
    assert curvatures[graph.pairs.index(gone)] == pytest.approx(curvatures.max(), abs=1e-9)
    small, large = (rewired("borf", graph, edges=6, batch=batch) for batch in (2, 6))
    assert small.added_E.sum() == large.added_E.sum() == 6
