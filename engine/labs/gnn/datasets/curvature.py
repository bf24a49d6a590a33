"""Curvature of an edge: negative where it is a bottleneck, positive where its two ends share a neighbourhood.

Weights are not counted.  Shapes: N nodes, E edges, H = 2E half edges (an edge seen from one end), G nodes of one degree d,
P nodes that give and Q that take.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.labs.gnn.datasets.graph import Graph

DENSE = 512  # nodes: up to here the product of two dense matrices is the quicker way
CHUNK = 2_000_000  # numbers of one temporary array


def forman_E(graph: Graph) -> NDArray[np.float64]:
    """(E,) 4 - d_i - d_j (Forman 2003; for graphs Sreejith et al. 2016, arXiv 1603.00386)."""
    return 4.0 - graph.degree_N[graph.edges_E2].sum(axis=1)


def augmented_forman_E(graph: Graph) -> NDArray[np.float64]:
    """(E,) 4 - d_i - d_j + 3 times the triangles on the edge (Samal et al. 2018, arXiv 1712.07600)."""
    return forman_E(graph) + 3.0 * _shared_NN(graph, ones_NN(graph))[tuple(graph.edges_E2.T)]


def balanced_forman_E(graph: Graph) -> NDArray[np.float64]:
    """(E,) balanced Forman curvature (Topping et al. 2022, arXiv 2111.14522, definition 1).

    0 where an end has degree 1, else 2/d_i + 2/d_j - 2 + 2 T/max(d) + T/min(d) + (q_i + q_j)/(g max(d)).  T: common neighbours.
    q_i: how many k, neighbours of i and neither j nor a neighbour of j, reach j over a node w that is no neighbour of i and not i
    itself.  g: the most such w that one k has, on either side; without any the last term is 0.
    """
    adjacent_NN = ones_NN(graph)
    shared_NN = _shared_NN(graph, adjacent_NN)
    reach_H, most_H = np.zeros((2, 2 * len(graph.edges_E2)))
    for half_Gd, around_Gd in _by_degree(graph):
        among_Gdd = around_Gd[:, :, None], around_Gd[:, None, :]
        adjacent_Gdd = adjacent_NN[among_Gdd]
        over_Gdd = shared_NN[among_Gdd] - adjacent_Gdd @ adjacent_Gdd - 1.0  # [j, k]: the w of k, where k is no neighbour of j
        over_Gdd *= 1.0 - adjacent_Gdd
        over_Gdd[:, range(over_Gdd.shape[1]), range(over_Gdd.shape[1])] = 0.0
        reach_H[half_Gd] = (over_Gdd > 0).sum(axis=2)
        most_H[half_Gd] = over_Gdd.max(axis=2)
    there_E, back_E = _halves(graph)
    degree_E2 = graph.degree_N[graph.edges_E2]
    most_E, shared_E = np.maximum(most_H[there_E], most_H[back_E]), shared_NN[tuple(graph.edges_E2.T)]
    return balanced_forman(degree_E2[:, 0], degree_E2[:, 1], shared_E, reach_H[there_E] + reach_H[back_E], most_E)


def balanced_forman(
    degree_i: NDArray[np.int64], degree_j: NDArray[np.int64], shared: NDArray, reach: NDArray, most: NDArray
) -> NDArray[np.float64]:
    """The formula of `balanced_forman_E`: `shared` is T, `reach` q_i + q_j, `most` g; arrays of one shape."""
    low, high = np.minimum(degree_i, degree_j), np.maximum(degree_i, degree_j)
    squares = np.divide(reach, most * high, out=np.zeros(np.shape(reach)), where=most > 0)
    value = 2.0 / low + 2.0 / high - 2.0 + 2.0 * shared / high + shared / low + squares
    return np.where(low == 1, 0.0, value)


def balanced_forman_of(adjacent_NN: NDArray[np.float32], i: int, j: int) -> float:
    """`balanced_forman_E` for one edge of a graph given by `ones_NN`, by counting as the definition does."""
    around_N2 = adjacent_NN[[i, j]].T > 0
    degrees = around_N2.sum(axis=0)
    shared_N, reach, most = around_N2.all(axis=1), 0, 0.0
    for own, other, end in ((0, 1, j), (1, 0, i)):
        only_own, only_other = around_N2[:, own] & ~shared_N, around_N2[:, other] & ~shared_N
        only_own[end] = only_other[(i, j)[own]] = False
        ways = adjacent_NN[np.ix_(only_own, only_other)].sum(axis=1)
        reach, most = reach + int((ways > 0).sum()), max(most, float(ways.max(initial=0.0)))
    return float(balanced_forman(degrees[0], degrees[1], shared_N.sum(), np.float64(reach), np.float64(most)))


def ollivier_E(graph: Graph, pairs: Iterable[tuple[int, int]], alpha: float = 0.0) -> NDArray[np.float64]:
    """The Ollivier curvature 1 - W₁(µ_i, µ_j) of each of the edges `pairs` (Ollivier 2009, definition 3).

    µ_i holds `alpha` (0 to 1) on i and shares the rest among its neighbours alike; a hop is the unit of distance.  ValueError for a
    pair that is no edge.
    """
    adjacent_NN = ones_NN(graph)
    return np.array([transport(adjacent_NN, i, j, alpha).curvature for i, j in pairs])


@dataclass(frozen=True)
class Transport:
    """A cheapest way to make µ_j out of µ_i: from which nodes (P,) to which (Q,), how much (P, Q), and how far (P, Q) in hops."""

    from_P: NDArray[np.int64]
    to_Q: NDArray[np.int64]
    plan_PQ: NDArray[np.float64]
    hops_PQ: NDArray[np.float64]

    @property
    def curvature(self) -> float:
        return 1.0 - float((self.plan_PQ * self.hops_PQ).sum())


def transport(adjacent_NN: NDArray[np.float32], i: int, j: int, alpha: float = 0.0) -> Transport:
    """The transport that `ollivier_E` measures, for one edge of a graph given by `ones_NN`.

    What both measures have on a node stays there, which a cheapest plan may always do, for hops obey the triangle inequality.
    """
    if not adjacent_NN[i, j]:
        raise ValueError(f"{i}-{j} is no edge, and a curvature is that of an edge; give two nodes that are joined.")
    excess_N = excess(adjacent_NN, i, j, alpha)
    from_P, to_Q = np.flatnonzero(excess_N > 1e-12), np.flatnonzero(excess_N < -1e-12)
    hops_PQ = hops_between(adjacent_NN, from_P, to_Q)
    return Transport(from_P, to_Q, cheapest_plan(excess_N[from_P], -excess_N[to_Q], hops_PQ), hops_PQ)


def excess(adjacent_NN: NDArray[np.float32], i: int, j: int, alpha: float) -> NDArray[np.float64]:
    """(N,) µ_i - µ_j: how much has to leave each node, or to come where it is negative."""
    around_i, around_j = adjacent_NN[i].astype(np.float64), adjacent_NN[j].astype(np.float64)
    excess_N = (1.0 - alpha) * (around_i / around_i.sum() - around_j / around_j.sum())
    excess_N[i] += alpha
    excess_N[j] -= alpha
    return excess_N


def hops_between(adjacent_NN: NDArray[np.float32], from_P: NDArray[np.int64], to_Q: NDArray[np.int64]) -> NDArray[np.float64]:
    """(P, Q) hops from nodes around one end of an edge to others around its other end, of which there are never more than three."""
    joined_PQ, second_PQ = adjacent_NN[np.ix_(from_P, to_Q)] > 0, adjacent_NN[from_P] @ adjacent_NN[:, to_Q] > 0
    return np.where(joined_PQ, 1.0, np.where(second_PQ, 2.0, 3.0))


def cheapest_plan(give_P: NDArray[np.float64], take_Q: NDArray[np.float64], cost_PQ: NDArray[np.float64]) -> NDArray[np.float64]:
    """(P, Q) how much goes where, at the smallest sum of plan times cost, as a linear program; both sides have the same sum."""
    from scipy.optimize import linear_sum_assignment, linprog

    p, q = cost_PQ.shape
    if min(p, q) <= 1:  # one end or none: there is no choice
        return take_Q[None, :] if p == 1 else give_P[:, None]
    if p == q and np.ptp(give_P) < 1e-12 and np.ptp(take_Q) < 1e-12:  # then some cheapest plan is a matching
        plan_PQ = np.zeros((p, q))
        plan_PQ[linear_sum_assignment(cost_PQ)] = give_P[0]
        return plan_PQ
    sums = np.concatenate([np.kron(np.eye(p), np.ones(q)), np.kron(np.ones(p), np.eye(q))])
    solved = linprog(cost_PQ.ravel(), A_eq=sums[:-1], b_eq=np.concatenate([give_P, take_Q])[:-1])  # the last follows from the others
    if not solved.success:
        raise ArithmeticError(f"no transport was found: {solved.message}")
    return solved.x.reshape(p, q)


def ones_NN(graph: Graph) -> NDArray[np.float32]:
    """(N, N) 1 where there is an edge, else 0: float32 counts exactly up to 16 million."""
    out_NN = np.zeros((graph.nodes, graph.nodes), dtype=np.float32)
    a_E, b_E = graph.edges_E2.T
    out_NN[a_E, b_E] = out_NN[b_E, a_E] = 1.0
    return out_NN


def _shared_NN(graph: Graph, adjacent_NN: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N, N) common neighbours of two nodes."""
    if graph.nodes <= DENSE:
        return adjacent_NN @ adjacent_NN
    sparse_NN = graph.sparse_NN().astype(np.float32)
    sparse_NN.data[:] = 1.0
    return (sparse_NN @ sparse_NN).toarray()


def _by_degree(graph: Graph) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """(half edges (G, d), their other ends (G, d)) of nodes that have the same degree d, at most CHUNK pairs of neighbours at a time."""
    sparse_NN, degree_N = graph.sparse_NN(), graph.degree_N
    for degree in np.unique(degree_N[degree_N > 0]):
        nodes = np.flatnonzero(degree_N == degree)
        for nodes_G in np.array_split(nodes, -(-len(nodes) * degree**2 // CHUNK)):
            half_Gd = sparse_NN.indptr[nodes_G][:, None] + np.arange(degree)
            yield half_Gd, sparse_NN.indices[half_Gd]


def _halves(graph: Graph) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """-> for every edge its half seen from the smaller end, and that seen from the larger."""
    sparse_NN = graph.sparse_NN()
    row_H, column_H = np.repeat(np.arange(graph.nodes), np.diff(sparse_NN.indptr)), sparse_NN.indices
    back_E = np.flatnonzero(row_H > column_H)
    return np.flatnonzero(row_H < column_H), back_E[np.lexsort((row_H[back_E], column_H[back_E]))]
