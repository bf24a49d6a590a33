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


def components_N(graph: Graph) -> NDArray[np.int32]:
    """(N,) the number of the component of each node, counted from 0 in the order in which nodes meet them."""
    from scipy.sparse.csgraph import connected_components

    return connected_components(graph.sparse_NN(), directed=False)[1]


def connected(graph: Graph) -> bool:
    """Whether there is a path between any two nodes; true for a single node."""
    return bool((components_N(graph) == 0).all())


def farthest(graph: Graph) -> tuple[int, int]:
    """The first pair (smaller, larger) of those that are farthest apart and still joined by a path; (0, 0) without any edge."""
    hops_NN = distances_NN(graph)
    hops_NN[np.isinf(hops_NN)] = 0.0
    first, second = np.unravel_index(int(hops_NN.argmax()), hops_NN.shape)
    return int(first), int(second)
