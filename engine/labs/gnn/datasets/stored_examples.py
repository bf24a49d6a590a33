"""The example of the task of stored labels: what a data set says of the nodes of its graphs, and what it asks for.

Shapes: N nodes, C classes.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from engine.labs.gnn.datasets.examples import UNASKED, Examples
from engine.labs.gnn.datasets.graph import Graph
from engine.labs.gnn.datasets.stored import StoredGraph


def stored_labels(graph: Graph, ends: tuple[int, int], share: float, generator: np.random.Generator) -> Examples:
    """One graph twice: the first time the nodes trained on are asked for, the second time all others.

    `share` of its parts, or of the nodes of its only part, one at least and not all, are trained on.  ValueError, in one sentence.
    """
    if not isinstance(graph, StoredGraph) or graph.feature_ND is None or graph.part_N is None:
        raise ValueError("the graph has not the nodes of a stored set, and this task asks for their labels; remove no node by hand.")
    if graph.label_N is None:
        raise ValueError("the set says nothing that could be asked for; choose task=transfer or task=commute_time.")
    classes = int(graph.label_N.max()) + 1
    if classes == 1:
        raise ValueError("all chosen graphs have the same label, so there is nothing to learn; take more of them, or others.")
    trained_N = _trained(graph.part_N, share, generator)
    answer_2N = np.stack([np.where(asked_N, graph.label_N, UNASKED) for asked_N in (trained_N, ~trained_N)])
    x_2ND = torch.from_numpy(np.stack([graph.feature_ND] * 2)).to(torch.get_default_dtype())
    return Examples(graph, x_2ND, torch.from_numpy(answer_2N), classes, torch.arange(graph.nodes), ((0, *ends),), 1)


def _trained(part_N: NDArray[np.int64], share: float, generator: np.random.Generator) -> NDArray[np.bool_]:
    parts = int(part_N[-1]) + 1
    unit_N = part_N if parts > 1 else np.arange(len(part_N))
    units = int(unit_N[-1]) + 1
    drawn = generator.permutation(units)[: min(units - 1, max(1, round(share * units)))]
    return np.isin(unit_N, drawn)
