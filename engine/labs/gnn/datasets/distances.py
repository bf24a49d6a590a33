"""How many hops lie between two nodes, and which two are farthest apart.

Shapes: N nodes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.labs.gnn.datasets.graph import Graph


def distances_NN(graph: Graph) -> NDArray[np.float64]:
    """(N, N) hops on a shortest path, weights not counted; 0 from a node to itself, infinite where there is no path."""
    from scipy.sparse.csgraph import shortest_path

    return shortest_path(graph.sparse_NN(), directed=False, unweighted=True)


def hops(graph: Graph, first: int, second: int) -> float:
    """From one node to another on a shortest path, infinite where there is none."""
    from scipy.sparse.csgraph import shortest_path

    return float(shortest_path(graph.sparse_NN(), directed=False, unweighted=True, indices=first)[second])


def components_N(graph: Graph) -> NDArray[np.int32]:
    """(N,) the number of the component of each node, counted from 0 in the order in which nodes meet them."""
    from scipy.sparse.csgraph import connected_components

    return connected_components(graph.sparse_NN(), directed=False)[1]


def connected(graph: Graph) -> bool:
    """Whether there is a path between any two nodes; true for a single node."""
    return bool((components_N(graph) == 0).all())


def farthest(graph: Graph) -> tuple[int, int]:
    """The first pair (smaller, larger) of those that are farthest apart and still joined by a path; (0, 0) without any edge.

    All nodes search at once, one bit each in W words per node: after t rounds the bits of a node are the nodes within t hops.
    """
    sparse_NN, own_N = graph.sparse_NN(), np.arange(graph.nodes)
    within_NW = np.zeros((graph.nodes, -(-graph.nodes // 64)), dtype=np.uint64)
    within_NW[own_N, own_N // 64] = np.uint64(1) << (own_N % 64).astype(np.uint64)
    met_NW, joined_N = np.zeros_like(within_NW), np.flatnonzero(np.diff(sparse_NN.indptr))
    while len(joined_N):
        new_NW = np.zeros_like(within_NW)
        new_NW[joined_N] = np.bitwise_or.reduceat(within_NW[sparse_NN.indices], sparse_NN.indptr[joined_N])
        new_NW &= ~within_NW
        if not new_NW.any():
            break
        met_NW, within_NW = new_NW, within_NW | new_NW
    first = int(met_NW.any(axis=1).argmax())
    bits_N = (met_NW[first, own_N // 64] >> (own_N % 64).astype(np.uint64)) & np.uint64(1)
    return first, int(bits_N.argmax())
