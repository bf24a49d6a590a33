"""The spectral gap of a graph and what it says about its narrowest cut.

The gap is the second smallest eigenvalue l₂ of the normalised Laplacian I - D^-1/2 A D^-1/2.  The conductance h of the narrowest cut
lies between l₂/2 and √(2 l₂) (Cheeger's inequality; Chung, Spectral Graph Theory, lemma 2.1 and theorem 2.2).

Shapes: N nodes.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from engine.labs.gnn.datasets.distances import components_N, connected
from engine.labs.gnn.datasets.graph import Graph

DENSE = 500  # nodes: below, all eigenvalues of a dense matrix are the quicker way


def spectral_gap(graph: Graph) -> float:
    """l₂, from 0 (several components) to N/(N-1) (complete); NaN for a single node, which has no second eigenvalue."""
    return _second(graph)[0]


def fiedler_N(graph: Graph) -> NDArray[np.float64]:
    """(N,) D^-1/2 times the eigenvector of l₂, of length 1 before that, its largest entry positive; the graph must be connected."""
    value, vector_N = _second(graph)
    if not value > 0.0:
        raise ValueError(
            f"the graph has {graph.nodes} nodes and no second eigenvalue above 0; give a connected graph of two nodes or more."
        )
    vector_N = vector_N / np.sqrt(graph.sparse_NN().sum(axis=1))
    return vector_N * np.sign(vector_N[np.abs(vector_N).argmax()])


def cheeger_bounds(gap: float) -> tuple[float, float]:
    """-> (l₂/2, √(2 l₂)): the conductance of the narrowest cut lies between them."""
    return gap / 2.0, math.sqrt(2.0 * gap)


def sweep_cut(graph: Graph) -> tuple[float, NDArray[np.bool_]]:
    """-> (conductance, (N,) which nodes lie on the side of the first): the best of the N-1 cuts along the Fiedler vector.

    Conductance: the weight of the edges cut, over the sum of degrees of the side that has less of it.  Its value is an upper bound of h
    and itself at most √(2 l₂).  A graph of several components has a cut of 0.
    """
    component_N = components_N(graph)
    if component_N.any():
        return 0.0, component_N == 0
    order_N = np.argsort(-fiedler_N(graph), kind="stable")
    rank_N = np.empty_like(order_N)
    rank_N[order_N] = np.arange(graph.nodes)
    ends_E2 = np.sort(rank_N[graph.edges_E2], axis=1)
    change_N = np.bincount(ends_E2[:, 0], graph.weight_E, graph.nodes) - np.bincount(ends_E2[:, 1], graph.weight_E, graph.nodes)
    cut_n, volume_n = np.cumsum(change_N)[:-1], np.cumsum(graph.sparse_NN().sum(axis=1)[order_N])
    conductance_n = cut_n / np.minimum(volume_n[:-1], volume_n[-1] - volume_n[:-1])
    best = int(conductance_n.argmin())
    return float(conductance_n[best]), rank_N <= best


def _second(graph: Graph) -> tuple[float, NDArray[np.float64]]:
    """-> (l₂, its eigenvector (N,))."""
    if graph.nodes < 2:
        return float("nan"), np.ones(graph.nodes)
    if not connected(graph):
        return 0.0, np.zeros(graph.nodes)
    root_N = 1.0 / np.sqrt(graph.sparse_NN().sum(axis=1))
    if graph.nodes < DENSE:
        from scipy.linalg import eigh

        normalised_NN = np.eye(graph.nodes) - root_N[:, None] * graph.adjacency_NN() * root_N[None, :]
        values, vectors = eigh(normalised_NN, subset_by_index=[1, 1])
        return float(values[0]), vectors[:, 0]
    return _second_sparse(graph, root_N)


def _second_sparse(graph: Graph, root_N: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
    """The same by Lanczos iterations.  A gap so small that they are slow belongs to a long graph, whose matrix has a sparse factor."""
    from scipy.sparse import diags_array
    from scipy.sparse.linalg import ArpackNoConvergence, eigsh

    half_NN = diags_array(root_N)
    adjacency_NN = (half_NN @ graph.sparse_NN() @ half_NN).tocsr()
    start_N = np.random.default_rng(0).standard_normal(graph.nodes)
    try:
        values, vectors = eigsh(adjacency_NN, k=2, which="LA", v0=start_N, ncv=40, maxiter=20)
    except ArpackNoConvergence:
        values, vectors = eigsh(adjacency_NN.tocsc(), k=2, sigma=1.0 + 1e-3, v0=start_N)  # inverted around a point beside the largest
    second = int(values.argmin())
    return 1.0 - float(values[second]), vectors[:, second]
