"""Poisson's equation -Δu = f on a triangle mesh, by finite elements of first order.

u is 0 where the mesh has a hole, such as the cylinder, and nothing flows through the frame around it (Neumann's condition).  Everything
is float64.  Shapes: N nodes, F of them free, T triangles, B right-hand sides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from engine.labs.gnn.datasets.graph import Graph
from engine.labs.gnn.datasets.mesh import held_N, triangles_T3

if TYPE_CHECKING:
    from scipy.sparse import csr_array


def stiffness_NN(position_N2: NDArray[np.float64], triangle_T3: NDArray[np.int64]) -> csr_array:
    """(N, N) ∫ ∇φ_i·∇φ_j over the mesh, φ_i being 1 at node i, 0 at all others and linear on each triangle (Strang and Fix 1973, An
    Analysis of the Finite Element Method, section 1.8)."""
    from scipy.sparse import coo_array

    corner_T32 = position_N2[triangle_T3]
    opposite_T32 = np.roll(corner_T32, -2, axis=1) - np.roll(corner_T32, -1, axis=1)  # the side that each corner does not touch
    first_T2, second_T2 = opposite_T32[:, 0], opposite_T32[:, 1]
    twice_area_T = np.abs(first_T2[:, 0] * second_T2[:, 1] - first_T2[:, 1] * second_T2[:, 0])
    local_T33 = opposite_T32 @ opposite_T32.transpose(0, 2, 1) / (2.0 * twice_area_T)[:, None, None]
    row_T33, column_T33 = (np.broadcast_to(part, local_T33.shape) for part in (triangle_T3[:, :, None], triangle_T3[:, None, :]))
    return coo_array((local_T33.ravel(), (row_T33.ravel(), column_T33.ravel())), shape=2 * (len(position_N2),)).tocsr()


def solutions_BN(graph: Graph, load_BN: NDArray[np.float64]) -> NDArray[np.float64]:
    """(B, N) u at the nodes for each load ∫ f φ_i; a load on a node where u is held at 0 does nothing.

    ValueError, in one sentence, for a graph without places, and where a piece of the mesh touches no hole, for u is then known only up to
    a constant.
    """
    from scipy.sparse.csgraph import connected_components
    from scipy.sparse.linalg import spsolve

    triangle_T3 = triangles_T3(graph)
    assert graph.position_N2 is not None
    whole_NN = stiffness_NN(graph.position_N2, triangle_T3)
    meshed_N = np.bincount(triangle_T3.ravel(), minlength=graph.nodes) > 0
    held = held_N(graph, triangle_T3)
    _, piece_N = connected_components(abs(whole_NN) > 0, directed=False)
    loose = np.setdiff1d(piece_N[meshed_N], piece_N[held])
    if len(loose) or not held.any():
        raise ValueError("a piece of the mesh has no rim at which the solution is held at 0, so there is none to learn; keep a hole in it.")
    free_F = np.flatnonzero(meshed_N & ~held)
    out_BN = np.zeros_like(load_BN)
    if len(free_F):
        solved_FB = spsolve(whole_NN[free_F][:, free_F].tocsc(), load_BN[:, free_F].T)
        out_BN[:, free_F] = solved_FB.reshape(len(free_F), -1).T
    return out_BN
