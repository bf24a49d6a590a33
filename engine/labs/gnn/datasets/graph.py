"""An undirected graph as data: what generators make, rewirings change and layers read."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from scipy.sparse import csr_array


@dataclass(frozen=True)
class Graph:
    """An undirected graph without self loops and without double edges.

    nodes        N
    edges_E2     (E, 2) int64: the two ends of every edge, the smaller first, rows in order
    added_E      (E,) bool: which edges a rewiring put in
    weight_E     (E,) float64: 1 unless somebody says otherwise
    position_N2  (N, 2) float64: where the nodes lie; None for a graph without places
    velocity_N2  (N, 2) float64: how fast a flow passes them; None for a graph without a flow
    label_N      (N,) int64: the block to which each belongs, counted from 0; None for a graph without blocks
    """

    nodes: int
    edges_E2: NDArray[np.int64]
    added_E: NDArray[np.bool_]
    weight_E: NDArray[np.float64]
    position_N2: NDArray[np.float64] | None = None
    velocity_N2: NDArray[np.float64] | None = None
    label_N: NDArray[np.int64] | None = None

    @classmethod
    def of(
        cls,
        nodes: int,
        pairs: Iterable[tuple[int, int]],
        position_N2: NDArray[np.float64] | None = None,
        velocity_N2: NDArray[np.float64] | None = None,
    ) -> Graph:
        """The graph with an edge for each pair; a pair said twice, or the other way round, is one edge, a pair of equals none."""
        unique = sorted({(min(a, b), max(a, b)) for a, b in pairs if a != b})
        edges_E2 = np.array(unique, dtype=np.int64).reshape(-1, 2)
        if len(edges_E2) and (edges_E2.min() < 0 or edges_E2.max() >= nodes):
            raise ValueError(f"an edge names node {int(edges_E2.max())}, and the {nodes} nodes are 0 to {nodes - 1}.")
        return cls(nodes, edges_E2, np.zeros(len(edges_E2), dtype=bool), np.ones(len(edges_E2)), position_N2, velocity_N2)

    @functools.cached_property
    def pairs(self) -> list[tuple[int, int]]:
        """The edges as pairs (smaller, larger), in order."""
        return list(map(tuple, self.edges_E2.tolist()))

    @property
    def degree_N(self) -> NDArray[np.int64]:
        return np.bincount(self.edges_E2.ravel(), minlength=self.nodes)

    def digest(self) -> str:
        """16 hexadecimal digits of nodes, edges and, where one is not 1, weights."""
        weights = [] if (self.weight_E == 1.0).all() else [self.weight_E.tolist()]
        return hashlib.sha256(repr((self.nodes, self.pairs, *weights)).encode()).hexdigest()[:16]

    def adjacency_NN(self) -> NDArray[np.float64]:
        """(N, N) symmetric, with the weights."""
        out_NN = np.zeros((self.nodes, self.nodes))
        a_E, b_E = self.edges_E2.T
        out_NN[a_E, b_E] = out_NN[b_E, a_E] = self.weight_E
        return out_NN

    def open_NN(self) -> NDArray[np.bool_]:
        """(N, N) True above the diagonal where there is no edge: the pairs that may still be joined, the smaller node first."""
        out_NN = np.triu(np.ones((self.nodes, self.nodes), dtype=bool), 1)
        out_NN[tuple(self.edges_E2.T)] = False
        return out_NN

    def sparse_NN(self) -> csr_array:
        """(N, N) the same as a sparse matrix, made once: nobody may write into it."""
        return self._sparse_NN

    @functools.cached_property
    def _sparse_NN(self) -> csr_array:
        from scipy.sparse import coo_array

        (a_E, b_E), weight_E = self.edges_E2.T, self.weight_E
        ends = np.concatenate([a_E, b_E]), np.concatenate([b_E, a_E])
        return coo_array((np.concatenate([weight_E, weight_E]), ends), shape=(self.nodes, self.nodes)).tocsr().sorted_indices()

    def plus(self, pairs: Iterable[tuple[int, int]]) -> Graph:
        """With these edges too, marked as added; one that is there already stays as it was."""
        here = set(self.pairs)
        new = sorted({(min(a, b), max(a, b)) for a, b in pairs if a != b} - here)
        if not new:
            return self
        edges_E2 = np.concatenate([self.edges_E2, np.array(new, dtype=np.int64)])
        order_E = np.lexsort((edges_E2[:, 1], edges_E2[:, 0]))
        added_E = np.concatenate([self.added_E, np.ones(len(new), dtype=bool)])
        weight_E = np.concatenate([self.weight_E, np.ones(len(new))])
        return replace(self, edges_E2=edges_E2[order_E], added_E=added_E[order_E], weight_E=weight_E[order_E])

    def minus(self, pairs: Iterable[tuple[int, int]]) -> Graph:
        """Without these edges; one that is not there is no matter."""
        gone = {(min(a, b), max(a, b)) for a, b in pairs}
        keep_E = np.array([pair not in gone for pair in self.pairs], dtype=bool)
        return replace(self, edges_E2=self.edges_E2[keep_E], added_E=self.added_E[keep_E], weight_E=self.weight_E[keep_E])
