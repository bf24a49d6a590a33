"""Examples of Poisson's equation on one mesh: random sources, and the solution at every node.

Shapes: B examples, N nodes, S sources of each, F nodes where the solution is not held at 0.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from engine.labs.gnn.datasets.examples import Examples, standardised
from engine.labs.gnn.datasets.graph import Graph
from engine.labs.gnn.datasets.mesh import held_N, triangles_T3
from engine.labs.gnn.datasets.poisson import solutions_BN


def poisson(graph: Graph, ends: tuple[int, int], trained: int, held_out: int, sources: int, generator: np.random.Generator) -> Examples:
    """`trained` and then `held_out` examples.  `ends`: the node that is read and the one that holds what must be known there, by which
    probes measure how far a message gets.

    Each example has point sources of normal strength at `sources` different free nodes, or at all of them where there are fewer; what is
    scaled is scaled by figures of the training examples.  ValueError as `solutions_BN`.
    """
    held = held_N(graph, triangles_T3(graph))
    load_BN = loads_BN(trained + held_out, np.flatnonzero(~held), graph.nodes, sources, generator)
    u_BN = solutions_BN(graph, load_BN)
    fixed = [held.astype(np.float64)[:, None], graph.position_N2, graph.velocity_N2]
    fixed_ND = np.concatenate([part for part in fixed if part is not None], axis=1)
    x_BND = np.concatenate(
        [
            (load_BN / _scale(load_BN[:trained]))[:, :, None],
            np.broadcast_to(fixed_ND / [_scale(column) for column in fixed_ND.T], (len(load_BN), *fixed_ND.shape)),
        ],
        axis=2,
    )
    answer_BN = standardised(u_BN, trained)
    return Examples(graph, torch.from_numpy(x_BND).to(answer_BN.dtype), answer_BN, 1, torch.arange(graph.nodes), ((0, *ends),), trained)


def loads_BN(examples: int, free_F: NDArray[np.int64], nodes: int, sources: int, generator: np.random.Generator) -> NDArray[np.float64]:
    """(B, N) loads of normal strength at `sources` of the nodes `free_F`, drawn anew for each example; 0 elsewhere."""
    out_BN = np.zeros((examples, nodes))
    for load_N in out_BN:
        where = generator.permutation(free_F)[:sources]
        load_N[where] = generator.standard_normal(len(where))
    return out_BN


def _scale(values: NDArray[np.float64]) -> float:
    """The root of the mean square, or 1 where all are 0."""
    return float(np.sqrt(np.square(values).mean())) or 1.0
