"""What is left of a graph when nodes go, against networkx; and how its edges are shared out among warps."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
from scipy.linalg import expm

from engine.labs.gnn.datasets.graph import Graph
from engine.labs.gnn.datasets.robustness import CENTRALITIES, natural_connectivity, order_N, remains
from engine.labs.gnn.panels.attacks import Attacks
from engine.labs.gnn.panels.edge_work import EdgeWork
from engine.labs.gnn.remedies.graph import GraphChoice
from tests.support.graphs import built, to_networkx

GRAPHS = {name: built(name, 1) for name in ("ba", "barbell", "tree", "sbm")} | {"pieces": Graph.of(7, [(0, 1), (1, 2), (4, 5)])}


@pytest.mark.parametrize("name", GRAPHS)
def test_what_is_left_equals_networkx(name: str) -> None:
    graph = GRAPHS[name]
    order = np.random.default_rng(0).permutation(graph.nodes).tolist()
    removed = [0, 1, graph.nodes // 3, graph.nodes - 1, graph.nodes]
    largest, efficiency = remains(graph, order, removed)
    for k, count in enumerate(removed):
        left = to_networkx(graph)
        left.remove_nodes_from(order[:count])
        assert largest[k] == max(map(len, nx.connected_components(left)), default=0) / graph.nodes
        assert efficiency[k] == pytest.approx(nx.global_efficiency(left), abs=1e-12)


@pytest.mark.parametrize("name", GRAPHS)
def test_natural_connectivity_is_the_logarithm_of_the_mean_of_closed_walks(name: str) -> None:
    adjacency = nx.to_numpy_array(to_networkx(GRAPHS[name]))
    assert natural_connectivity(GRAPHS[name]) == pytest.approx(np.log(np.trace(expm(adjacency)) / len(adjacency)), rel=1e-10)


@pytest.mark.parametrize("centrality", CENTRALITIES)
def test_the_hub_of_a_star_goes_first_and_nothing_holds_together_without_it(centrality: str) -> None:
    star = Graph.of(9, [(4, leaf) for leaf in range(9) if leaf != 4])
    order = order_N(star, centrality)
    assert order[0] == 4
    assert order[1:] == [0, 1, 2, 3, 5, 6, 7, 8], "of equal ones the lower number"
    assert remains(star, order, [0, 1])[0].tolist() == [1.0, 1 / 9]


def test_hubs_matter_in_a_scale_free_graph_and_not_in_one_whose_nodes_are_alike() -> None:
    worst = {}
    for seed in range(4):
        facts = Attacks(seed=seed).compute()["facts"]
        worst[seed] = facts["R_random"][0] - facts["R_degree"][0]
    assert min(worst.values()) > 0.15
    whole = Attacks(graph=GraphChoice.answer("complete")()).compute()["points"]
    alike = [np.array(whole["largest"])[np.array(whole["strategy"]) == name] for name in ("random", *CENTRALITIES)]
    assert all(np.array_equal(one, alike[0]) for one in alike), "of a complete graph every node is as good as another"


@pytest.mark.parametrize("graph", ["regular", "power_law", "star"])
def test_every_strategy_shares_out_all_edges_and_says_what_the_busiest_warp_has(graph: str) -> None:
    panel = EdgeWork(graph=graph, nodes=2000, links=3)
    frames = panel.compute()
    whole, facts, warps = (frames[name] for name in ("graph", "facts", "warps"))
    edges, nodes = whole["edges"][0], whole["nodes"][0]
    assert edges == {"regular": 2 * 3 * nodes, "power_law": 2 * 3 * (nodes - 3), "star": 2 * (nodes - 1)}[graph]
    for row, name in enumerate(facts["strategy"]):
        assert facts["tiles"][row] * facts["mean"][row] == pytest.approx(edges)
        mine = [i for i, one in enumerate(warps["strategy"]) if one == name]
        assert sum(warps["warps"][i] for i in mine) == facts["tiles"][row]
        assert sum(warps["warps"][i] * warps["least"][i] for i in mine) <= edges <= sum(warps["warps"][i] * warps["most"][i] for i in mine)
    longest = dict(zip(facts["strategy"], facts["longest"], strict=True))
    assert longest["node"] == whole["longest"][0]
    if graph == "regular":
        assert facts["evenness"][facts["strategy"].index("node")] == 1.0, "all rows are alike"
    else:
        assert longest["edge"] <= 32 < longest["node"]
        assert f"node {longest['node']:,}" in panel.sentence(frames)
