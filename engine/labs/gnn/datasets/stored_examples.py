"""The example of the task of stored labels: what a data set says of the nodes of its graphs, and what it asks for.

Shapes: N nodes, C classes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.labs.gnn.datasets.examples import Examples
from engine.labs.gnn.datasets.graph import Graph
from engine.labs.gnn.datasets.hints import asked_twice
from engine.labs.gnn.datasets.stored import StoredGraph


def stored_labels(graph: Graph, ends: tuple[int, int], share: float, generator: np.random.Generator) -> Examples:
    """One graph twice: the first time the nodes trained on are asked for, the second time all others.

    `share` of its parts, or of the nodes of its only part, one at least and not all, are trained on.  ValueError, in one sentence.
    """
    if not isinstance(graph, StoredGraph) or graph.feature_ND is None or graph.part_N is None:
        raise ValueError("the graph has not the nodes of a stored set, and this task asks for their labels; remove no node by hand.")
    if graph.label_N is None:
        raise ValueError("the set says nothing that could be asked for; choose task=transfer or task=commute_time.")
    if not graph.label_N.any():
        raise ValueError("all chosen graphs have the same label, so there is nothing to learn; take more of them, or others.")
    return asked_twice(graph, graph.feature_ND, _trained(graph.part_N, share, generator), ends)


def _trained(part_N: NDArray[np.int64], share: float, generator: np.random.Generator) -> NDArray[np.bool_]:
    parts = int(part_N[-1]) + 1
    unit_N = part_N if parts > 1 else np.arange(len(part_N))
    units = int(unit_N[-1]) + 1
    drawn = generator.permutation(units)[: min(units - 1, max(1, round(share * units)))]
    return np.isin(unit_N, drawn)
