"""Three encodings without weights, each the plainest of its kind, and how far they move when the Laplacian does.

Shapes: N nodes, K eigenpairs, M functions of the eigenvalues.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.labs.gnn.datasets.eigenpairs import Eigenpairs, Matrix


def without_sign(pairs: Eigenpairs, count: int) -> Matrix:
    """(N, `count`) |V|: what is left of eigenvectors for one who knows nothing of signs, as SignNet does not (Lim et al. 2023)."""
    return np.abs(pairs.later(count).vectors_NK)


def projectors(pairs: Eigenpairs, count: int, tolerance: float) -> Matrix:
    """(`count`, N, N): for each of the same eigenvectors the projector on the space of its eigenvalue, as BasisNet takes it.

    `pairs`: all of the matrix.  Neighbouring eigenvalues less than `tolerance` apart count as one.
    """
    block_K = np.concatenate([[0], np.cumsum(np.diff(pairs.values_K) >= tolerance)])
    made: dict[int, Matrix] = {}
    for block in block_K[~pairs.first_K][:count].tolist():
        if block not in made:
            own_NK = pairs.vectors_NK[:, block_K == block]
            made[block] = own_NK @ own_NK.T
    return np.stack([made[block] for block in block_K[~pairs.first_K][:count].tolist()])


def smooth(pairs: Eigenpairs, centres_M: Matrix, width: float) -> Matrix:
    """(M, N, N) V diag(φ_m(λ)) Vᵀ with φ_m(λ) = exp(−(λ − c_m)²/2σ²): SPE before its last network (Huang et al. 2024)."""
    scale_MK = np.exp(-((pairs.values_K[None, :] - centres_M[:, None]) ** 2) / (2.0 * width**2))
    return (pairs.vectors_NK[None] * scale_MK[:, None, :]) @ pairs.vectors_NK.T


def flips(adjacency_NN: Matrix, count: int, generator: np.random.Generator) -> list[tuple[int, int]]:
    """Pairs of nodes, half of them edges and half not, or as many of each as there are: `count` in all at most."""
    rows, columns = np.triu_indices(len(adjacency_NN), 1)
    joined = adjacency_NN[rows, columns] != 0
    drawn: list[NDArray[np.intp]] = [generator.permutation(np.flatnonzero(kind))[: count // 2] for kind in (joined, ~joined)]
    return [(int(rows[i]), int(columns[i])) for i in np.concatenate(drawn)]


def flipped(adjacency_NN: Matrix, pair: tuple[int, int]) -> Matrix:
    """Without this edge if it is there, with it if it is not."""
    a, b = pair
    out_NN = adjacency_NN.copy()
    out_NN[a, b] = out_NN[b, a] = float(out_NN[a, b] == 0)
    return out_NN
