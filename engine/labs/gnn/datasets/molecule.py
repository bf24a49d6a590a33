"""A random graph like a molecule.

Shapes: N nodes.
"""

from __future__ import annotations

import numpy as np

from engine.labs.gnn.datasets.distances import distances_NN
from engine.labs.gnn.datasets.graph import Graph

BONDS = 4  # of an atom at most
ON_THE_CHAIN = 0.7  # how often a new atom goes on from the last one instead of a random one
RING = (5, 6)  # atoms


def molecule(atoms: int, rings: int, generator: np.random.Generator) -> Graph:
    """A tree in which every new atom is bound to the last one or to one at random that has a bond left, then `rings` bonds between atoms
    that are 4 or 5 bonds apart and have a bond left; fewer where there are no more of these."""
    pairs, degree_N = [], np.zeros(atoms, dtype=np.int64)
    for new in range(1, atoms):
        free = np.flatnonzero(degree_N[:new] < BONDS)
        old = new - 1 if generator.random() < ON_THE_CHAIN else int(generator.choice(free))  # the last one has one bond
        pairs.append((old, new))
        degree_N[[old, new]] += 1
    graph = Graph.of(atoms, pairs)
    for _ in range(rings):
        free = graph.degree_N < BONDS
        closing_NN = np.isin(distances_NN(graph), [size - 1 for size in RING]) & free[:, None] & free[None, :]
        ends_M2 = np.argwhere(np.triu(closing_NN))
        if not len(ends_M2):
            break
        a, b = ends_M2[generator.integers(len(ends_M2))].tolist()
        graph = Graph.of(atoms, [*graph.pairs, (a, b)])
    return graph
