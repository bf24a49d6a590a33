"""Effective resistance: the graph as a network of resistors, one ohm an edge (one over its weight in general).

With the Laplacian L = D - A and its pseudo-inverse P = L⁺, the resistance between u and v is P_uu + P_vv - 2 P_uv, and the sum over
all pairs is N tr P (Klein and Randić 1993; Ghosh, Boyd and Saberi 2008, section 2.4).  An edge more is a rank-one change of L, hence
of P and of P²; the latter gives how much it would lower the sum before it is added (Black et al. 2023, arXiv 2302.06835).

Everything is float64.  Shapes: N nodes, K new edges, Q pairs, D draws, d of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from engine.labs.gnn.datasets.distances import components_N, connected
from engine.labs.gnn.datasets.graph import Graph
from engine.labs.gnn.datasets.greedy import TIE

CHUNK = 1_000_000  # numbers of one temporary array


def laplacian_NN(graph: Graph) -> NDArray[np.float64]:
    """(N, N) L = D - A."""
    adjacency_NN = graph.adjacency_NN()
    return np.diag(adjacency_NN.sum(axis=1)) - adjacency_NN


def pseudo_inverse_NN(graph: Graph) -> NDArray[np.float64]:
    """(N, N) L⁺ = (L + 11ᵀ/n)⁻¹ - 11ᵀ/n for each component of n nodes, by Cholesky; 0 between components."""
    laplacian, component_N = laplacian_NN(graph), components_N(graph)
    if not component_N.any():
        return _inverse(laplacian)
    out_NN = np.zeros_like(laplacian)
    for component in range(component_N.max() + 1):
        block = np.ix_(*(2 * [np.flatnonzero(component_N == component)]))
        out_NN[block] = _inverse(laplacian[block])
    return out_NN


def _inverse(laplacian_nn: NDArray[np.float64]) -> NDArray[np.float64]:
    """The pseudo-inverse for one component."""
    from scipy.linalg.lapack import dpotrf, dpotri

    n = len(laplacian_nn)
    factor_nn, failed = dpotrf((laplacian_nn + 1.0 / n).T, lower=1, overwrite_a=1)  # transposed it lies as LAPACK wants it
    if failed:
        raise np.linalg.LinAlgError("the Laplacian of a component has a second eigenvalue that float64 cannot tell from 0.")
    lower_nn = dpotri(factor_nn, lower=1, overwrite_c=1)[0]  # above the diagonal it is 0, as the factor was
    out_nn = lower_nn + lower_nn.T
    np.fill_diagonal(out_nn, np.diag(lower_nn))
    out_nn -= 1.0 / n
    return out_nn


def resistances_NN(graph: Graph, plus_NN: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
    """(N, N) effective resistance in ohm; infinite between components.  `plus_NN`: L⁺ where it is known."""
    plus_NN = pseudo_inverse_NN(graph) if plus_NN is None else plus_NN
    own_N, component_N = np.diag(plus_NN), components_N(graph)
    out_NN = own_N[:, None] + own_N[None, :] - 2.0 * plus_NN
    if component_N.any():
        out_NN[component_N[:, None] != component_N[None, :]] = np.inf
    np.fill_diagonal(out_NN, 0.0)
    return out_NN


def edge_resistances(graph: Graph, among: int | None = None) -> tuple[float, NDArray[np.float64]]:
    """-> (total resistance as of `total_resistance`; (E,) the effective resistance of each edge), by one inverse."""
    plus_NN, (a_E, b_E) = pseudo_inverse_NN(graph), graph.edges_E2.T
    own_N = np.diag(plus_NN)
    total = float("inf") if in_pieces(graph, among) else _total(plus_NN, among)
    return total, own_N[a_E] + own_N[b_E] - 2.0 * plus_NN[a_E, b_E]


def total_resistance(graph: Graph, among: int | None = None) -> float:
    """The sum of the effective resistances over all pairs, n tr L⁺ (the Kirchhoff index); infinite where two of the nodes
    have no path between them.

    `among`: over the pairs of the first so many nodes alone; the others carry current and are no end of a pair.
    """
    return float("inf") if in_pieces(graph, among) else _total(pseudo_inverse_NN(graph), among)


def in_pieces(graph: Graph, among: int | None) -> bool:
    """Whether two of the first `among` nodes, or of all, have no path between them."""
    return bool(components_N(graph)[:among].any())


def _total(plus_NN: NDArray[np.float64], among: int | None) -> float:
    """Σ_{u<v} (P_uu + P_vv - 2 P_uv) over n nodes is n Σ P_uu - Σ_uv P_uv, of which the latter is 0 over all nodes."""
    own_nn = plus_NN[:among, :among]
    return len(own_nn) * float(np.trace(own_nn)) - (float(own_nn.sum()) if len(own_nn) < len(plus_NN) else 0.0)


def random_totals(
    graph: Graph, edges: int, draws: int, generator: np.random.Generator, weight_K: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """(draws,) the total resistance of a connected graph that is given `edges` random edges more, sorted; none of a graph of several
    components, or where fewer pairs than that are open.

    With the new edges as columns b of B, P becomes P - PB (1/W + BᵀPB)⁻¹ BᵀP (Woodbury), so that a draw costs no inverse of its own.
    `weight_K`: what the new edges weigh, one each; all weigh 1 without it.
    """
    open_Q = np.flatnonzero(graph.open_NN())
    if not 0 < edges <= len(open_Q) or not connected(graph):
        return np.empty(0)
    plus_NN, ohm_K = pseudo_inverse_NN(graph), np.ones(edges) if weight_K is None else 1.0 / weight_K
    a_DK, b_DK = np.divmod(open_Q[[generator.choice(len(open_Q), edges, replace=False) for _ in range(draws)]], graph.nodes)
    lowered = []
    for a_dK, b_dK in zip(*(np.array_split(ends_DK, -(-ends_DK.size * graph.nodes // CHUNK)) for ends_DK in (a_DK, b_DK)), strict=True):
        moved_dKN, each_d = plus_NN[a_dK] - plus_NN[b_dK], np.arange(len(a_dK))[:, None, None]
        of_dKK = np.arange(edges)[:, None]
        inner_dKK = np.diag(ohm_K) + moved_dKN[each_d, of_dKK, a_dK[:, None]] - moved_dKN[each_d, of_dKK, b_dK[:, None]]
        lowered.append(np.trace(np.linalg.solve(inner_dKK, moved_dKN @ moved_dKN.transpose(0, 2, 1)), axis1=1, axis2=2))
    return np.sort(graph.nodes * (np.trace(plus_NN) - np.concatenate(lowered)))


def below(totals_D: ArrayLike, total: float) -> int:
    """How many random draws have less than this total resistance, by more than rounding."""
    return int((np.asarray(totals_D) < total * (1.0 - TIE)).sum())


def commute_times_NN(graph: Graph) -> NDArray[np.float64]:
    """(N, N) expected steps of a random walk from u to v and back: twice the sum of all weights, times the effective resistance; infinite
    between components, also where there is no edge at all."""
    out_NN = resistances_NN(graph)
    return np.multiply(out_NN, 2.0 * float(graph.weight_E.sum()), out=out_NN, where=np.isfinite(out_NN))


@dataclass
class Updated:
    """P = L⁺ and Q = P² of a graph to which edges are added one by one, each in N² operations and without an inverse.

    The updates write into the two arrays.
    """

    plus_NN: NDArray[np.float64]
    square_NN: NDArray[np.float64]

    @classmethod
    def of(cls, graph: Graph) -> Updated:
        plus_NN = pseudo_inverse_NN(graph)
        return cls(plus_NN, plus_NN @ plus_NN)

    def gains_NN(self) -> NDArray[np.float64]:
        """(N, N) B / (1 + R): how much an edge between s and t lowers tr P, with R their resistance and B their squared biharmonic
        distance Q_ss + Q_tt - 2 Q_st.  It means something where s and t are no edge and have a path."""
        out_NN = np.add.outer(np.diag(self.square_NN), np.diag(self.square_NN))
        out_NN -= 2.0 * self.square_NN
        below_NN = np.add.outer(np.diag(self.plus_NN), np.diag(self.plus_NN))
        below_NN -= 2.0 * self.plus_NN
        below_NN += 1.0
        out_NN /= below_NN
        return out_NN

    def add(self, s: int, t: int) -> None:
        """The edge between s and t, which must have a path: P ← P - c vvᵀ and Q ← Q - vuᵀ - uvᵀ, where v = P_s - P_t, w = Pv,
        c = 1 / (1 + v_s - v_t) and u = cw - (c²/2)(v·v)v; the square of the first is the second, so that nothing is inverted."""
        v_N = self.plus_NN[:, s] - self.plus_NN[:, t]
        c = 1.0 / (1.0 + v_N[s] - v_N[t])
        u_N = c * (self.plus_NN @ v_N) - 0.5 * c**2 * float(v_N @ v_N) * v_N
        self.plus_NN -= np.outer(c * v_N, v_N)
        change_NN = np.outer(v_N, u_N)
        self.square_NN -= change_NN
        self.square_NN -= change_NN.T
