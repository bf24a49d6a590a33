"""Where the nodes of a graph are drawn.

A graph without places gets them by scaling its distances: pivot MDS (Brandes and Pich 2007, Eigensolver Methods for Progressive
Multidimensional Scaling of Large Data, section 3).  Nodes that fall on one place, such as those of a clique, are moved apart.

Shapes: N nodes, P pivots, Q pairs.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from engine.labs.gnn.datasets.graph import Graph

EXACT = 64  # nodes: up to here all are pivots, which is classical scaling
PIVOTS = 50  # of a larger graph
CELL, HOP = 0.7, 0.7  # no two nodes nearer than this share of the square that each has for itself, or of a hop
ROUNDS = 9  # of moving apart
TURN = math.pi * (3.0 - math.sqrt(5.0))  # the golden angle: any number of directions, no two alike


def places_N2(graph: Graph) -> NDArray[np.float64]:
    """(N, 2) in the unit square, the larger of the two extents being 1: the graph's own places, or what its distances say."""
    return scaled_N2(graph) if graph.position_N2 is None else _in_unit_square(graph.position_N2)


def scaled_N2(graph: Graph) -> NDArray[np.float64]:
    """(N, 2) places of which the distances are near those in hops.

    Components stand as if two hops farther apart than any two nodes of one of them.  Where all nodes are alike, as in a complete graph,
    they stand in a circle.
    """
    from scipy.sparse.csgraph import shortest_path

    pivots_P = np.arange(graph.nodes) if graph.nodes <= EXACT else np.linspace(0, graph.nodes - 1, PIVOTS).astype(np.int64)
    hops_PN = shortest_path(graph.sparse_NN(), directed=False, unweighted=True, indices=pivots_P)
    joined_PN = np.isfinite(hops_PN)
    hops_PN[~joined_PN] = hops_PN.max(where=joined_PN, initial=0.0) + 2.0
    farthest = hops_PN.max()
    if graph.nodes <= 2 or farthest <= 1.0:
        turn_N = 2.0 * math.pi * np.arange(graph.nodes) / graph.nodes
        return _in_unit_square(np.stack([np.cos(turn_N), np.sin(turn_N)], axis=1))
    squared_PN = hops_PN**2
    centred_PN = -0.5 * (squared_PN - squared_PN.mean(axis=0) - squared_PN.mean(axis=1, keepdims=True) + squared_PN.mean())
    axes_P2 = np.linalg.eigh(centred_PN @ centred_PN.T)[1][:, :-3:-1]
    place_N2 = centred_PN.T @ axes_P2
    length_2 = np.linalg.norm(place_N2, axis=0)
    place_N2 /= np.sqrt(np.where(length_2 > 0.0, length_2, 1.0))
    return _in_unit_square(apart_N2(_in_unit_square(place_N2), min(CELL / math.sqrt(graph.nodes), HOP / float(farthest))))


def apart_N2(place_N2: NDArray[np.float64], least: float) -> NDArray[np.float64]:
    """The places, moved until nearly no two nodes are nearer than `least`; a node that is far from all others stays."""
    from scipy.spatial import cKDTree

    nodes = len(place_N2)
    turn_N = TURN * np.arange(nodes)
    place_N2 = place_N2 + 0.05 * least * np.stack([np.cos(turn_N), np.sin(turn_N)], axis=1)  # what lies on one place has no direction
    for _ in range(ROUNDS):
        a_Q, b_Q = cKDTree(place_N2).query_pairs(least, output_type="ndarray").T
        if not len(a_Q):
            break
        between_Q2 = place_N2[a_Q] - place_N2[b_Q]
        away_Q = 0.25 * (least / np.maximum(np.linalg.norm(between_Q2, axis=1), 0.1 * least) - 1.0)
        for axis in (0, 1):
            push_Q = away_Q * between_Q2[:, axis]
            place_N2[:, axis] += np.bincount(a_Q, push_Q, nodes) - np.bincount(b_Q, push_Q, nodes)
    return place_N2


def _in_unit_square(place_N2: NDArray[np.float64]) -> NDArray[np.float64]:
    """Moved and enlarged, not stretched."""
    low_2 = place_N2.min(axis=0)
    extent = float((place_N2.max(axis=0) - low_2).max())
    return (place_N2 - low_2) / (extent if extent > 0.0 else 1.0)
