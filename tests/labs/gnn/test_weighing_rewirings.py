"""The rewirings that do more than add edges: diffusion weighs them, a virtual node comes along, the last layer alone sees every pair."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import networkx as nx
import numpy as np
import pytest
import torch
from torch_geometric.data import Data
from torch_geometric.transforms import GDC

from engine.labs.gnn.datasets.control import control_totals
from engine.labs.gnn.datasets.distances import components_N, connected, distances_NN
from engine.labs.gnn.datasets.graph import Graph
from engine.labs.gnn.datasets.resistance import resistances_NN, total_resistance
from engine.labs.gnn.datasets.walks import convolution_NN, walk
from engine.labs.gnn.gnn import Gnn
from engine.labs.gnn.panels.topology import Topology
from engine.labs.gnn.probes.graph_facts import GraphFacts
from engine.labs.gnn.probes.jacobian import Jacobian
from engine.labs.gnn.probes.layer_states import LayerStates
from engine.labs.gnn.probes.obstruction import Obstruction
from engine.labs.gnn.remedies.rewiring import Rewiring
from engine.labs.gnn.remedies.rewiring.gdc import largest_NN, personal_rank_NN
from tests.labs.gnn.test_readings import readings
from tests.labs.gnn.test_rewirings import GRAPHS, rewired
from tests.support.graphs import built

ARMS: dict[str, tuple[str, dict[str, Any]]] = {
    "gdc": ("gdc", {}),
    "gdc with top_k": ("gdc", {"sparsify": "top_k", "top_k": 2}),
    "virtual_node": ("virtual_node", {}),
    "fully_adjacent": ("fully_adjacent", {}),
}


@pytest.mark.parametrize("graph", GRAPHS)
@pytest.mark.parametrize("arm", ARMS)
def test_a_rewiring_leaves_a_simple_undirected_graph_with_the_nodes_of_the_data_first(arm: str, graph: str) -> None:
    name, knobs = ARMS[arm]
    position_N2, velocity_N2 = np.random.default_rng(0).random((2, GRAPHS[graph].nodes, 2))
    given = replace(GRAPHS[graph], position_N2=position_N2, velocity_N2=velocity_N2, label_N=np.arange(GRAPHS[graph].nodes))
    after = rewired(name, given, **knobs)
    assert after.pairs == sorted(set(after.pairs)), "undirected and without double edges"
    assert all(0 <= a < b < after.nodes for a, b in after.pairs), "no loop"
    assert len(after.added_E) == len(after.weight_E) == len(after.pairs)
    assert [pair for pair, added in zip(after.pairs, after.added_E, strict=True) if added] == sorted(set(after.pairs) - set(given.pairs))
    assert ((after.weight_E > 0.0) & (after.weight_E <= 1.0)).all()
    more = 1 if name == "virtual_node" else 0
    assert after.nodes == given.nodes + more, "only virtual_node changes how many there are, and says so"
    assert after.position_N2 is not None
    assert np.array_equal(after.position_N2[: given.nodes], given.position_N2)
    assert {len(of) for of in (after.position_N2, after.velocity_N2, after.label_N) if of is not None} == {after.nodes}
    if name != "gdc":
        assert set(given.pairs) <= set(after.pairs), "only gdc takes edges away, and says so"
        assert (after.weight_E == 1.0).all(), "only gdc weighs, and says so"
    if name == "fully_adjacent":
        assert after is given
    says = {"gdc": ("weighted graph", "edges may go"), "virtual_node": ("It adds a node",), "fully_adjacent": ("All layers but the last",)}
    assert all(words in Rewiring.answer(name).idea for words in says[name])


# -- diffusion ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("alpha", [0.05, 0.15, 0.9])
def test_personal_ranks_are_the_dense_inverse_and_the_series_of_walks_that_go_home(alpha: float) -> None:
    graph = replace(built("ws", nodes=14), weight_E=np.random.default_rng(0).uniform(0.5, 2.0, len(built("ws", nodes=14).pairs)))
    looped_NN = graph.adjacency_NN() + np.eye(14)
    half_N = looped_NN.sum(axis=1) ** -0.5
    matrix_NN = half_N[:, None] * looped_NN * half_N[None, :]
    series_NN, power_NN = np.zeros((14, 14)), np.eye(14)
    for step in range(800):
        series_NN += alpha * (1.0 - alpha) ** step * power_NN
        power_NN = matrix_NN @ power_NN
    np.testing.assert_allclose(personal_rank_NN(graph, alpha), series_NN, atol=1e-12)
    np.testing.assert_allclose(personal_rank_NN(graph, alpha) @ (np.eye(14) - (1.0 - alpha) * matrix_NN), alpha * np.eye(14), atol=1e-12)


@pytest.mark.parametrize("graph", ["barbell", "apart", "two nodes"])
def test_diffusion_keeps_the_entries_that_pyg_keeps_and_the_ratio_of_neighbour_to_self(graph: str) -> None:
    """PyG's GDC without its last division, which is what makes it directed."""
    given = GRAPHS[graph]
    edge_2E = torch.tensor([*given.pairs, *((b, a) for a, b in given.pairs)]).reshape(-1, 2).T
    theirs = GDC(
        normalization_in="sym",
        normalization_out=None,
        diffusion_kwargs={"method": "ppr", "alpha": 0.15},
        sparsification_kwargs={"method": "threshold", "eps": 0.05},
    )(Data(edge_index=edge_2E, edge_attr=torch.ones(edge_2E.shape[1], dtype=torch.float64), num_nodes=given.nodes))
    entry = {(int(a), int(b)): float(value) for (a, b), value in zip(theirs.edge_index.T, theirs.edge_attr, strict=True)}
    after = rewired("gdc", given)
    assert after.pairs == sorted((a, b) for a, b in entry if a < b)
    expected = [entry[a, b] / (entry[a, a] * entry[b, b]) ** 0.5 for a, b in after.pairs]
    np.testing.assert_allclose(after.weight_E, expected, rtol=1e-5)


def test_on_a_ring_the_convolution_of_the_diffused_graph_is_the_sparse_diffusion_divided_by_its_degrees() -> None:
    given = built("ring", distance=6)
    walk_NN = personal_rank_NN(given, 0.15)
    sparse_NN = np.where(walk_NN >= 0.05, walk_NN, 0.0)
    np.testing.assert_allclose(convolution_NN(rewired("gdc", given)).toarray(), sparse_NN / sparse_NN.sum(axis=1), atol=1e-12)


def test_a_smaller_threshold_and_a_larger_k_keep_more_and_no_pair_without_a_path_is_joined() -> None:
    given = GRAPHS["apart"]
    by_threshold = [set(rewired("gdc", given, threshold=threshold).pairs) for threshold in (0.9, 0.1, 0.02, 1e-6)]
    by_k = [set(rewired("gdc", given, sparsify="top_k", top_k=k).pairs) for k in (0, 1, 3, 64)]
    component_N = components_N(given)
    joined = {(a, b) for a in range(given.nodes) for b in range(a + 1, given.nodes) if component_N[a] == component_N[b]}
    for graphs in (by_threshold, by_k):
        assert graphs == sorted(graphs, key=len)
        assert graphs[0] == set()
        assert graphs[-1] == joined
    chain_NN = np.array([[0.6, 0.3, 0.1], [0.3, 0.4, 0.3], [0.1, 0.3, 0.6]])
    assert largest_NN(chain_NN, 1).astype(int).tolist() == [[0, 1, 0], [1, 0, 0], [0, 1, 0]], "of equal entries the first"


def test_the_random_edges_beside_diffusion_have_the_weights_of_those_that_it_added() -> None:
    given = GRAPHS["barbell"]
    after = rewired("gdc", given, threshold=0.03)
    totals = control_totals(given, after, 5, np.random.default_rng(1))
    fresh = [pair for pair, added in zip(after.pairs, after.added_E, strict=True) if added]
    assert fresh
    kept = after.minus(fresh)
    again, by_hand = np.random.default_rng(1), []
    open_Q2 = np.argwhere(kept.open_NN())
    for _ in range(5):
        drawn = open_Q2[again.choice(len(open_Q2), len(fresh), replace=False)].tolist()
        one = kept.plus(drawn)
        weight = dict(zip(map(tuple, drawn), after.weight_E[after.added_E].tolist(), strict=True))
        new_E = [weight.get(pair, old) for pair, old in zip(one.pairs, one.weight_E.tolist(), strict=True)]
        by_hand.append(total_resistance(replace(one, weight_E=np.array(new_E))))
    np.testing.assert_allclose(totals, sorted(by_hand), rtol=1e-10)


# -- a virtual node ----------------------------------------------------------------------------------


def test_a_virtual_node_is_joined_to_all_and_knows_nothing() -> None:
    lab = Gnn.model_validate({"graph": {"is": "barbell"}, "rewiring": "virtual_node", "device": "cpu"})
    given, after = lab.given_graph, lab.rewired_graph
    assert set(after.pairs) - set(given.pairs) == {(node, given.nodes) for node in range(given.nodes)}
    assert distances_NN(after).max() == 2.0
    assert connected(rewired("virtual_node", GRAPHS["apart"]))
    x_BND = lab.batch(0)["x"]
    assert torch.equal(x_BND[:, : given.nodes], Gnn.model_validate({"graph": {"is": "barbell"}, "device": "cpu"}).batch(0)["x"])
    assert x_BND.shape[1] == after.nodes
    assert not x_BND[:, -1].any()


def test_resistances_of_a_graph_with_a_virtual_node_are_summed_over_the_pairs_of_the_data() -> None:
    for graph in ("barbell", "apart"):
        given = GRAPHS[graph]
        after = rewired("virtual_node", given)
        resistance_NN = resistances_NN(after)[: given.nodes, : given.nodes]
        assert total_resistance(after, given.nodes) == pytest.approx(np.triu(resistance_NN).sum(), rel=1e-10)
    assert total_resistance(GRAPHS["apart"], 4) == pytest.approx(3.0), "the clique of four alone, all of it in one piece"
    assert total_resistance(GRAPHS["apart"], 5) == np.inf


# -- the last layer sees every pair ------------------------------------------------------------------


def test_the_last_layer_alone_sees_every_pair() -> None:
    lab = Gnn.model_validate({"graph": {"is": "ring", "distance": 4}, "rewiring": "fully_adjacent", "norm": "none", "device": "cpu"})
    model = lab.model().double()
    before, last = (getattr(model.passing, f"operator_{i}") for i in (2, 3))
    np.testing.assert_allclose(before, convolution_NN(lab.given_graph).toarray(), atol=1e-6)
    np.testing.assert_allclose(last, np.full((8, 8), 1.0 / 8.0), atol=1e-6)
    states = lab.states(model, lab.batch(0)["x"][0].double())
    torch.testing.assert_close(states[-1], states[-1][:1].expand_as(states[-1]))


def test_walks_of_which_the_last_step_goes_anywhere_are_those_of_the_matrices() -> None:
    given = built("barbell")
    last = Rewiring.answer("fully_adjacent")().last_layer(given)
    product_NN = convolution_NN(last).toarray() @ np.linalg.matrix_power(convolution_NN(given).toarray(), 8)
    assert walk(given, 15, 0, 9, last=last) == pytest.approx(product_NN[0, 15], rel=1e-12)
    assert last.pairs == built("complete", nodes=given.nodes).pairs
    assert [pair for pair, added in zip(last.pairs, last.added_E, strict=True) if not added] == given.pairs


def test_message_passing_by_distances_has_no_last_layer_that_could_see_every_pair() -> None:
    from engine.declare.rules import broken

    rules = [rule.json() for rule in Gnn.rules]
    for name, refused in (("plain", False), ("residual", False), ("drew", True), ("nu_drew", True)):
        messages = broken(rules, {"rewiring": "fully_adjacent", "message_passing": name, "layer": "gcn", "propagation": "auto"})
        assert bool(messages) == refused


# -- whatever reads a graph stands it ----------------------------------------------------------------


SMALL = {"graph": {"is": "barbell", "clique": 3, "path": 1}, "norm": "none", "width": 8, "device": "cpu"}


@pytest.mark.parametrize("arm", ARMS)
def test_every_probe_reads_a_network_on_such_a_graph(arm: str) -> None:
    name, knobs = ARMS[arm]
    found = readings({**SMALL, "rewiring": {"is": name, **knobs}}, GraphFacts, LayerStates, Jacobian, Obstruction)
    assert len(found["jacobian/by_distance"]) == 5, "distances before the rewiring"
    assert found["graph/nodes"] == 7 + (name == "virtual_node")
    assert found["graph/edges_added"] == {"virtual_node": 7, "fully_adjacent": 0}.get(name, found["graph/edges_added"])
    assert ("resistance/random" in found) == (name != "fully_adjacent" and found["graph/edges_added"] > 0)
    assert np.isfinite(found["obstruction/target"])
    assert found["resistance/before"] == pytest.approx(total_resistance(built("barbell", clique=3, path=1)))


@pytest.mark.parametrize("propagation", ["csr", "pyg"])
@pytest.mark.parametrize("arm", ARMS)
def test_all_ways_compute_the_same_network_on_such_a_graph(arm: str, propagation: str) -> None:
    name, knobs = ARMS[arm]
    labs = [Gnn.model_validate({**SMALL, "rewiring": {"is": name, **knobs}, "propagation": way}) for way in ("dense", propagation)]
    answers = [lab.model().double()(lab.batch(0)["x"].double()) for lab in labs]
    torch.testing.assert_close(*answers, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("arm", ARMS)
def test_the_panel_says_of_such_a_graph_what_a_run_of_it_stores(arm: str) -> None:
    name, knobs = ARMS[arm]
    choice = {"graph": {"is": "barbell", "clique": 3, "path": 1}, "rewiring": {"is": name, **knobs}}
    frames = Topology.model_validate(choice).compute()
    stored = readings({**SMALL, **choice}, GraphFacts)
    row = {key: values[0] for key, values in frames["graph"].items()}
    assert row["resistance"] == pytest.approx(stored["resistance/total"])
    assert row["gap"] == pytest.approx(stored["spectral_gap"])
    assert row["walk"] == pytest.approx(stored["theory/walk"])
    assert row["nodes"] == stored["graph/nodes"] == len(frames["nodes"]["node"])
    assert row["added"] == stored["graph/edges_added"]
    assert (row["random_draws"] > 0) == ("resistance/random" in stored)


def test_an_edited_graph_is_rewired_as_it_is_then() -> None:
    for name in ("gdc", "virtual_node", "fully_adjacent"):
        lab = Gnn.model_validate({"graph": {"is": "ring", "distance": 4}, "edits": "~1 +2-7", "rewiring": name, "device": "cpu"})
        assert lab.model()(lab.batch(0)["x"]).shape == (5, 5)
        assert lab.rewired_graph.nodes == 7 + (name == "virtual_node")
        told = lab.provenance()["graph"]
        assert (told["rewired"] == told["given"]) == (name == "fully_adjacent")


def test_a_graph_with_weights_is_told_from_one_without_by_its_digest() -> None:
    path = Graph.of(3, nx.path_graph(3).edges)
    assert path.digest() != replace(path, weight_E=np.array([1.0, 0.5])).digest()
