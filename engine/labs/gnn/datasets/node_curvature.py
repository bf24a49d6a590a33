"""How much of a bottleneck the surroundings of a node are: the mean Ollivier curvature of its edges.

Shapes: N nodes, E edges, P nodes that give and Q that take, U units of mass.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from engine.labs.gnn.datasets.curvature import excess, hops_between, ones_NN, transport
from engine.labs.gnn.datasets.graph import Graph

LAZY = 0.5  # the share of a node's mass that stays on it, in preprocessing/rewire_piorf.py of yuyudeep/PIORF-main
MOST_UNITS = 400  # of mass that are matched one by one


def node_curvature_N(graph: Graph, alpha: float = LAZY) -> NDArray[np.float64]:
    """(N,) mean of 1 - W₁(µ_i, µ_j) over the edges of each node; infinite for a node without any, which is no bottleneck.

    `alpha`: the share of a node's mass that stays on it.
    """
    curvature_E, degree_N = matched_ollivier_E(graph, alpha), graph.degree_N
    sum_N = np.bincount(graph.edges_E2.ravel(), np.repeat(curvature_E, 2), graph.nodes)
    return np.divide(sum_N, degree_N, out=np.full(graph.nodes, np.inf), where=degree_N > 0)


def matched_ollivier_E(graph: Graph, alpha: float = LAZY) -> NDArray[np.float64]:
    """(E,) what `ollivier_E` of curvature.py gives for every edge, of a few units of mass each: masses over 2 lcm(d_i, d_j) are whole.

    Then some cheapest transport is a matching of units, which is found in a tenth of the time of the linear program; where an edge
    has more than MOST_UNITS of them the program is solved.
    """
    adjacent_NN, degree_N = ones_NN(graph), graph.degree_N
    out = []
    for i, j in graph.pairs:
        units = _units(adjacent_NN, i, j, alpha, 2 * math.lcm(int(degree_N[i]), int(degree_N[j])))
        out.append(transport(adjacent_NN, i, j, alpha).curvature if units is None else units)
    return np.array(out)


def _units(adjacent_NN: NDArray[np.float32], i: int, j: int, alpha: float, per_unit: int) -> float | None:
    """The curvature of one edge by matching masses of 1/`per_unit`; None for too many, or where masses are no whole number of them."""
    from scipy.optimize import linear_sum_assignment

    excess_N = excess(adjacent_NN, i, j, alpha) * per_unit
    units_N = np.rint(excess_N).astype(np.int64)
    if np.abs(units_N - excess_N).max() > 1e-6:
        return None
    each = max(1, int(np.gcd.reduce(units_N)))  # units that always go together
    units_N //= each
    from_P, to_Q = np.flatnonzero(units_N > 0), np.flatnonzero(units_N < 0)
    if units_N[from_P].sum() > MOST_UNITS:
        return None
    hops_PQ = hops_between(adjacent_NN, from_P, to_Q)
    hops_UU = np.repeat(np.repeat(hops_PQ, units_N[from_P], axis=0), -units_N[to_Q], axis=1)
    return 1.0 - float(hops_UU[linear_sum_assignment(hops_UU)].sum()) * each / per_unit
