"""Random edges as the control of a rewiring: as many as it added, of the same weight, elsewhere.

Shapes: E edges, K new edges.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.labs.gnn.datasets.graph import Graph
from engine.labs.gnn.datasets.resistance import random_totals


def new_E(before: Graph, rewired: Graph) -> NDArray[np.bool_]:
    """(E,) which edges of the rewired graph were not there before."""
    here = set(before.pairs)
    return np.array([pair not in here for pair in rewired.pairs], dtype=bool)


def control_totals(before: Graph, rewired: Graph, draws: int, generator: np.random.Generator) -> NDArray[np.float64]:
    """(draws,) total resistances of graphs with random edges in place of those that the rewiring added, sorted; none where it added
    none, where the graph without them is in pieces, and where it has no room for as many.

    They are added to the graph before, and weigh 1.  Where the rewiring gave weights, to old edges too, they are added to the edges
    that it kept, with the weights that its new ones have; the nodes are those before in any case.
    """
    fresh_E = new_E(before, rewired)
    edges = int(fresh_E.sum())
    kept = dict(zip(before.pairs, before.weight_E.tolist(), strict=True))
    if np.array_equal([kept.get(pair, 1.0) for pair in rewired.pairs], rewired.weight_E):
        return random_totals(before, edges, draws, generator)
    fresh = [pair for pair, is_new in zip(rewired.pairs, fresh_E.tolist(), strict=True) if is_new]
    return random_totals(rewired.minus(fresh), edges, draws, generator, rewired.weight_E[fresh_E])
