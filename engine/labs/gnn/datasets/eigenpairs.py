"""Eigenvalues and eigenvectors of a graph's Laplacian, what disturbs them, and how near two of them lie.

On a graph of several components an eigenvector belongs to one of them and is 0 on the others: every component is taken apart by
itself, so that equal components do not mix.  Each component has an eigenvalue 0 of its own, also a node without edges.

Shapes: N nodes, K eigenpairs, S steps.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

WHOLE = 512  # nodes: of a larger component only as many eigenpairs are computed as are asked for

Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class Eigenpairs:
    """K eigenpairs in the order of their eigenvalues.

    values_K    (K,) eigenvalues, the smallest first
    vectors_NK  (N, K) eigenvectors of length 1; of each the first entry above half of its largest one is positive
    first_K     (K,) bool: the smallest of its component, whose vector tells nothing but degrees
    """

    values_K: Matrix
    vectors_NK: Matrix
    first_K: NDArray[np.bool_]

    def take(self, kept: NDArray[np.bool_] | slice) -> Eigenpairs:
        return Eigenpairs(self.values_K[kept], self.vectors_NK[:, kept], self.first_K[kept])

    def later(self, count: int) -> Eigenpairs:
        """The `count` smallest but for the first of each component.  ValueError, in one sentence, where there are fewer."""
        left = self.take(~self.first_K)
        if len(left.values_K) < count:
            nodes, components = len(self.vectors_NK), int(self.first_K.sum())
            raise ValueError(
                f"{count} eigenvectors were asked for, and a graph of {nodes} nodes in {components} component{'s' * (components != 1)} has "
                f"{len(left.values_K)} besides the first of each; give fewer eigenvectors or a larger graph."
            )
        return left.take(slice(count))


def laplacian_NN(adjacency_NN: Matrix, normalised: bool = True) -> Matrix:
    """I − D^-1/2 A D^-1/2, with a row of 0 for a node without edges (Chung 1997, section 1.2); otherwise D − A.  (N, N)."""
    degree_N = adjacency_NN.sum(axis=1)
    out_NN = np.diag(degree_N) - adjacency_NN
    if not normalised:
        return out_NN
    root_N = np.divide(1.0, np.sqrt(degree_N), out=np.zeros_like(degree_N), where=degree_N > 0)
    return root_N[:, None] * out_NN * root_N[None, :]


def eigenpairs(matrix_NN: Matrix, component_N: NDArray[np.integer], count: int | None = None) -> Eigenpairs:
    """All eigenpairs of a symmetric matrix without entries between components, or those that the smallest `count` of the graph need.

    `component_N`: the number of the component of each node, counted from 0.
    """
    from scipy.linalg import eigh

    values, vectors, first = [], [], []
    for number in range(int(component_N.max()) + 1):
        own = np.flatnonzero(component_N == number)
        block_NN = matrix_NN[np.ix_(own, own)]
        few = None if count is None or len(own) <= WHOLE else [0, min(len(own), count + 1) - 1]
        values_K, inner_NK = eigh(block_NN, subset_by_index=few)
        outer_NK = np.zeros((len(matrix_NN), len(values_K)))
        outer_NK[own] = inner_NK
        values.append(values_K)
        vectors.append(outer_NK)
        first.append(np.arange(len(values_K)) == 0)
    values_K, vectors_NK, first_K = np.concatenate(values), np.concatenate(vectors, axis=1), np.concatenate(first)
    leading_K = (np.abs(vectors_NK) > 0.5 * np.abs(vectors_NK).max(axis=0)).argmax(axis=0)
    sign_K = np.sign(vectors_NK[leading_K, np.arange(len(values_K))])
    order_K = np.argsort(values_K, kind="stable")
    return Eigenpairs(values_K, vectors_NK * sign_K, first_K).take(order_K)  # type: ignore[arg-type]


def aligned(vectors_NK: Matrix, reference_NK: Matrix) -> Matrix:
    """With the sign of each vector that brings it nearer to the reference: an eigenvector has none of its own."""
    return vectors_NK * np.where((vectors_NK * reference_NK).sum(axis=0) < 0, -1.0, 1.0)


def smallest_gap(values: Matrix) -> float:
    """Between two neighbouring eigenvalues; infinite where there are fewer than two."""
    return float(np.diff(np.sort(values)).min(initial=np.inf))


def noise_NN(component_N: NDArray[np.integer], generator: np.random.Generator) -> Matrix:
    """Symmetric, of Frobenius norm 1, normal entries, none between components: what a Laplacian is disturbed with."""
    out_NN = generator.standard_normal((len(component_N), len(component_N)))
    out_NN = (out_NN + out_NN.T) * (component_N[:, None] == component_N[None, :])
    return out_NN / np.linalg.norm(out_NN)


def opened(adjacency_NN: Matrix, sizes_S: Matrix, generator: np.random.Generator) -> Iterator[Matrix]:
    """The graph with edges of weight 1 + s·u in place of 1, the same u ~ U(0, 1) of each edge for every size s.

    Eigenvalues that symmetry keeps together come apart, the further the larger s.
    """
    draws_NN = np.triu(generator.random(adjacency_NN.shape), 1)
    draws_NN = draws_NN + draws_NN.T
    for size in sizes_S:
        yield adjacency_NN * (1.0 + size * draws_NN)
