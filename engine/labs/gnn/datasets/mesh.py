"""A triangle mesh around a cylinder in a stream: its points, its triangles, and the velocity of the ideal flow past it.

Lengths are in radii of the cylinder, which stands at the origin, velocities in those far away, where the stream goes to the right.
Shapes: N nodes, M candidates, T triangles, E edges of triangles.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from engine.labs.gnn.datasets.graph import Graph

LEFT, RIGHT, HALF_HEIGHT = -3.0, 6.0, 3.0  # the window in which the flow is looked at
CANDIDATES = 24  # for each point that is chosen
LEAST_AROUND = 8  # points on the cylinder
PACKED = math.sqrt(3.0) / 2.0  # squared spacings that a point of a triangular lattice takes up
ON_THE_WALL = 1e-9  # how far from radius 1 a point of the cylinder may lie


def points_N2(nodes: int, refinement: float, generator: np.random.Generator) -> NDArray[np.float64]:
    """(N, 2) points of which the spacing grows in proportion to the distance from the cylinder, up to `refinement` times at two radii.

    First those on the cylinder, then those on the frame, then the rest: of many random candidates always the one that is farthest
    from all points so far, in units of the spacing wanted there (Mitchell 1991, Spectrally Optimal Sampling for Distribution Ray Tracing,
    SIGGRAPH, section 3, with as many candidates for each point).  ValueError, in one sentence, where cylinder and frame leave no node over.
    """
    low_2, high_2 = np.array([LEFT, -HALF_HEIGHT]), np.array([RIGHT, HALF_HEIGHT])
    candidate_M2 = generator.uniform(low_2, high_2, (CANDIDATES * nodes, 2))
    candidate_M2 = candidate_M2[np.hypot(*candidate_M2.T) > 1.0]
    share = len(candidate_M2) / (CANDIDATES * nodes)
    area = float(np.prod(high_2 - low_2)) * share
    spacing = math.sqrt(area * float((coarseness(candidate_M2, refinement) ** -2).mean()) / (PACKED * nodes))  # on the cylinder
    wall_N2 = np.concatenate([_circle(max(LEAST_AROUND, round(2.0 * math.pi / spacing))), _frame(spacing * refinement)])
    if len(wall_N2) >= nodes:
        raise ValueError(
            f"cylinder and frame alone take {len(wall_N2)} of {nodes} nodes at refinement {refinement:g}; give more nodes or change the "
            "refinement."
        )
    (x_M, y_M), share_M = candidate_M2.T.copy(), coarseness(candidate_M2, refinement) ** -2
    apart_M, chosen = np.full(len(candidate_M2), np.inf), list(wall_N2)  # squared, in units of the spacing
    for point in wall_N2:
        np.minimum(apart_M, ((x_M - point[0]) ** 2 + (y_M - point[1]) ** 2) * share_M, out=apart_M)
    while len(chosen) < nodes:
        point = candidate_M2[int(apart_M.argmax())]
        chosen.append(point)
        np.minimum(apart_M, ((x_M - point[0]) ** 2 + (y_M - point[1]) ** 2) * share_M, out=apart_M)
    return np.array(chosen)


def coarseness(position_N2: NDArray[np.float64], refinement: float) -> NDArray[np.float64]:
    """(N,) the spacing wanted there, as a multiple of that on the cylinder."""
    return 1.0 + (refinement - 1.0) * np.clip((np.hypot(*position_N2.T) - 1.0) / 2.0, 0.0, 1.0)


def _circle(count: int) -> NDArray[np.float64]:
    angle = 2.0 * math.pi * np.arange(count) / count
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)


def _frame(spacing: float) -> NDArray[np.float64]:
    """Points around the window, at least two pieces on a side."""
    along_x = np.linspace(LEFT, RIGHT, 1 + max(2, round((RIGHT - LEFT) / spacing)))
    along_y = np.linspace(-HALF_HEIGHT, HALF_HEIGHT, 1 + max(2, round(2.0 * HALF_HEIGHT / spacing)))[1:-1]
    sides = [np.stack([along_x, np.full_like(along_x, y)], axis=1) for y in (-HALF_HEIGHT, HALF_HEIGHT)]
    return np.concatenate([*sides, *(np.stack([np.full_like(along_y, x), along_y], axis=1) for x in (LEFT, RIGHT))])


def velocity_N2(position_N2: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N, 2) of the ideal flow without circulation past the cylinder, u - iv = 1 - 1/z² (Batchelor 1967, An Introduction to Fluid
    Dynamics, equation 6.6.1 with radius and far velocity 1); NaN at the origin, inside the cylinder what the formula gives."""
    z_N = position_N2[:, 0] + 1j * position_N2[:, 1]
    with np.errstate(divide="ignore", invalid="ignore"):
        w_N = 1.0 - 1.0 / z_N**2
    return np.stack([w_N.real, -w_N.imag], axis=1)


def mesh(nodes: int, refinement: float, generator: np.random.Generator) -> Graph:
    """The graph of the Delaunay triangulation outside the cylinder, with places and velocities."""
    position_N2 = points_N2(nodes, refinement, generator)
    triangle_T3 = _delaunay_T3(position_N2)
    on_wall_N = np.hypot(*position_N2.T) < 1.0 + ON_THE_WALL
    triangle_T3 = triangle_T3[~on_wall_N[triangle_T3].all(axis=1)]  # what has all corners on the cylinder lies inside it
    pairs = np.concatenate([triangle_T3[:, [a, b]] for a, b in ((0, 1), (1, 2), (0, 2))])
    return Graph.of(nodes, pairs.tolist(), position_N2, velocity_N2(position_N2))


def _delaunay_T3(position_N2: NDArray[np.float64]) -> NDArray[np.int64]:
    """(T, 3) corners of the triangles, each sorted; without any for fewer than three points, or all on one line."""
    from scipy.spatial import Delaunay, QhullError

    if len(position_N2) < 3:
        return np.zeros((0, 3), dtype=np.int64)
    try:
        return np.sort(Delaunay(position_N2).simplices.astype(np.int64), axis=1)
    except QhullError:
        return np.zeros((0, 3), dtype=np.int64)


def triangles_T3(graph: Graph) -> NDArray[np.int64]:
    """(T, 3) the triangles of the mesh that a graph with places has: those of the Delaunay triangulation all sides of which are edges.

    So an edge that is taken away takes its two triangles along, and one that joins nodes far apart has none.  ValueError for a graph
    without places.
    """
    if graph.position_N2 is None:
        raise ValueError("the graph has no places, and only a mesh has triangles; choose graph=mesh.")
    triangle_T3 = _delaunay_T3(graph.position_N2)
    keys = graph.edges_E2[:, 0] * graph.nodes + graph.edges_E2[:, 1]
    sides_T3 = np.stack([triangle_T3[:, a] * graph.nodes + triangle_T3[:, b] for a, b in ((0, 1), (1, 2), (0, 2))], axis=1)
    return triangle_T3[np.isin(sides_T3, keys).all(axis=1)]


def held_N(graph: Graph, triangle_T3: NDArray[np.int64]) -> NDArray[np.bool_]:
    """(N,) which nodes lie on the rim of a hole: ends of a side of one triangle only, the frame around the window left out."""
    assert graph.position_N2 is not None
    side_E2, count_E = np.unique(triangle_T3[:, [[0, 1], [1, 2], [0, 2]]].reshape(-1, 2), axis=0, return_counts=True)
    x_N, y_N = graph.position_N2.T
    framed_N4 = np.stack([x_N == LEFT, x_N == RIGHT, y_N == -HALF_HEIGHT, y_N == HALF_HEIGHT], axis=1)
    rim_E2 = side_E2[count_E == 1]
    rim_E2 = rim_E2[~framed_N4[rim_E2].all(axis=1).any(axis=1)]  # both ends on one side of the frame
    out_N = np.zeros(graph.nodes, dtype=bool)
    out_N[rim_E2.ravel()] = True
    return out_N
