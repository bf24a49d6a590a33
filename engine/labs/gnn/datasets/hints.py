"""The example of the task of node labels: a noisy hint at every node of a graph whose nodes have labels.

Shapes: N nodes, C labels.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from engine.labs.gnn.datasets.examples import UNASKED, Examples
from engine.labs.gnn.datasets.graph import Graph


def node_labels(graph: Graph, ends: tuple[int, int], signal: float, share: float, generator: np.random.Generator) -> Examples:
    """One graph twice: the first time the nodes trained on are asked for, the second time all others.

    Features are `signal` times the one-hot label and normal noise; `share` of the nodes, one at least and not all, are trained on.
    ValueError for a graph without labels.
    """
    if graph.label_N is None:
        raise ValueError("the nodes of the graph have no labels, and this task asks for them; choose graph=sbm.")
    classes = int(graph.label_N.max()) + 1
    x_ND = signal * np.eye(classes)[graph.label_N] + generator.standard_normal((graph.nodes, classes))
    trained = np.zeros(graph.nodes, dtype=bool)
    trained[generator.permutation(graph.nodes)[: min(graph.nodes - 1, max(1, round(share * graph.nodes)))]] = True
    return asked_twice(graph, x_ND, trained, ends)


def asked_twice(graph: Graph, x_ND: NDArray[np.float64], trained_N: NDArray[np.bool_], ends: tuple[int, int]) -> Examples:
    """A graph whose nodes have labels, twice: the first time the nodes trained on are asked for, the second time all others."""
    answer_2N = np.stack([np.where(asked_N, graph.label_N, UNASKED) for asked_N in (trained_N, ~trained_N)])
    x_2ND = torch.from_numpy(np.stack([x_ND, x_ND])).to(torch.get_default_dtype())
    classes = int(graph.label_N.max()) + 1
    return Examples(graph, x_2ND, torch.from_numpy(answer_2N), classes, torch.arange(graph.nodes), ((0, *ends),), 1)
