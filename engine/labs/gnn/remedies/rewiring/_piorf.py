"""What PIORF and its two controls share: nodes in an order, each joined to a partner, until the edges are spent.

Shapes: N nodes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from engine.labs.gnn.datasets.greedy import TIE, first_best

if TYPE_CHECKING:
    from engine.labs.gnn.datasets.graph import Graph

PAPER = "PIORF: Physics-Informed Ollivier–Ricci Flow (Yu, Choi, Park, Lee, Park, ICLR 2025, arXiv 2504.04052)"
EDGES = "edges to add"
EDGES_SOURCE = "the authors' code: one for each of the 3 % of nodes with the lowest curvature, about four of 150"
Partner = Callable[[int, NDArray[np.bool_]], int]  # (node, which nodes (N,) it may be joined to) -> one of these


def in_order(score_N: NDArray[np.float64]) -> list[int]:
    """The nodes with a finite score, the lowest first; of scores that are equal to rounding the first node."""
    order = np.argsort(np.round(score_N / TIE), kind="stable")
    return order[np.isfinite(score_N[order])].tolist()


def joined(graph: Graph, edges: int, nodes: Iterable[int], partner: Partner) -> Graph:
    """With an edge from each of `nodes` to its partner, in their order, and over again from the first where edges are left.

    A node that is joined to all others is passed over; the rewiring ends where all of `nodes` are.
    """
    nodes = list(nodes)
    open_NN, new = graph.open_NN(), []
    open_NN |= open_NN.T
    while len(new) < edges and open_NN[nodes].any():
        for node in nodes:
            if len(new) < edges and open_NN[node].any():
                other = partner(node, open_NN[node])
                open_NN[node, other] = open_NN[other, node] = False
                new.append((node, other))
    return graph.plus(new)


def fastest_relative(graph: Graph) -> Partner:
    """The partner whose velocity differs most, the first of those that are equal to rounding; ValueError for a graph without velocities."""
    velocity_N2 = graph.velocity_N2
    if velocity_N2 is None:
        raise ValueError("the graph has no velocities, and this rewiring joins nodes by theirs; choose graph=mesh or another rewiring.")

    def partner(node: int, open_N: NDArray[np.bool_]) -> int:
        apart_N = np.linalg.norm(velocity_N2 - velocity_N2[node], axis=1)
        pair = first_best(apart_N[None], open_N[None])
        assert pair is not None, "somebody is left"
        return pair[1]

    return partner
