"""How a graph holds together while nodes are taken away.

Shapes: N nodes, K numbers of removed nodes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from engine.labs.gnn.datasets.distances import components_N, distances_NN
from engine.labs.gnn.datasets.graph import Graph

if TYPE_CHECKING:
    import networkx as nx

CENTRALITIES = ("degree", "betweenness", "pagerank")


def order_N(graph: Graph, centrality: str) -> list[int]:
    """The nodes by a centrality of the whole graph, the largest first and of equal ones the lower number; it is not read again while nodes
    go.  KeyError for another name than `CENTRALITIES`."""
    import networkx as nx

    measure = {"degree": nx.degree_centrality, "betweenness": nx.betweenness_centrality, "pagerank": nx.pagerank}[centrality]
    score = measure(as_networkx(graph))
    return sorted(score, key=lambda node: (-round(score[node], 12), node))


def as_networkx(graph: Graph) -> nx.Graph:
    import networkx as nx

    out = nx.empty_graph(graph.nodes)
    out.add_edges_from(graph.pairs)
    return out


def natural_connectivity(graph: Graph) -> float:
    """ln of the mean of exp λ over the eigenvalues of the adjacency matrix: closed walks of all lengths, which a removal can only
    make fewer (Wu, Barahona, Tan and Deng 2010, arXiv 1009.3430)."""
    from scipy.special import logsumexp

    eigenvalue_N = np.linalg.eigvalsh((graph.adjacency_NN() != 0).astype(float))
    return float(logsumexp(eigenvalue_N) - math.log(graph.nodes))


def remains(graph: Graph, order: Sequence[int], removed_K: Sequence[int]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """-> (K,) share of all N nodes in the largest component, (K,) global efficiency of the nodes that are left, when the first k of
    `order` are gone.

    Efficiency is the mean of one over the distance over all pairs of nodes that are left, 0 for a pair without a path
    (Latora and Marchiori 2001, cond-mat/0101396); of fewer than two nodes it is 0.
    """
    largest, efficiency = np.zeros(len(removed_K)), np.zeros(len(removed_K))
    for k, count in enumerate(removed_K):
        kept = np.setdiff1d(np.arange(graph.nodes), np.asarray(order[:count], dtype=int))
        if not len(kept):
            continue
        left = _part(graph, kept)
        largest[k] = np.bincount(components_N(left)).max() / graph.nodes
        if left.nodes > 1:
            hops_NN = distances_NN(left)
            np.fill_diagonal(hops_NN, np.inf)
            efficiency[k] = (1.0 / hops_NN).sum() / (left.nodes * (left.nodes - 1))
    return largest, efficiency


def _part(graph: Graph, kept: NDArray[np.int64]) -> Graph:
    number = np.full(graph.nodes, -1)
    number[kept] = np.arange(len(kept))
    ends_E2 = number[graph.edges_E2]
    return Graph.of(len(kept), [(a, b) for a, b in ends_E2.tolist() if a >= 0 and b >= 0])
