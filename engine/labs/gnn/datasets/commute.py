"""The examples of the task of commute time: two numbers on two nodes, and a function that mixes them.

Shapes: B examples, N nodes, P pairs.
"""

from __future__ import annotations

import numpy as np
import torch

from engine.labs.gnn.datasets.examples import Examples, standardised
from engine.labs.gnn.datasets.graph import Graph
from engine.labs.gnn.datasets.greedy import TIE
from engine.labs.gnn.datasets.resistance import commute_times_NN


def pair_at(graph: Graph, quantile: float) -> tuple[int, int]:
    """The pair (smaller, larger) whose commute time is at this rank among all pairs with a path: 0 the shortest, 1 the longest; of times
    that are equal to rounding in the order of the nodes.  ValueError, in one sentence, where no two nodes have a path."""
    time_NN = commute_times_NN(graph)
    pair_P2 = np.argwhere(np.triu(np.isfinite(time_NN), 1))
    if not len(pair_P2):
        raise ValueError("no two nodes of the graph are joined by a path, so no walk commutes between them; choose a graph with edges.")
    time_P = time_NN[tuple(pair_P2.T)]
    order_P = np.argsort(np.round(time_P / (TIE * time_P.max())), kind="stable")
    u, v = pair_P2[order_P[round(quantile * (len(order_P) - 1))]].tolist()
    return u, v


def commute(graph: Graph, pair: tuple[int, int], trained: int, held_out: int, generator: np.random.Generator) -> Examples:
    """tanh(x_u + x_v) of two uniform numbers, 0 at all other nodes (Di Giovanni, Rusch et al. 2023, arXiv 2306.03589), read off the
    maximum over all nodes; `trained` and then `held_out` examples."""
    value_B2 = generator.random((trained + held_out, 2))
    x_BND = np.zeros((len(value_B2), graph.nodes, 1))
    x_BND[:, list(pair), 0] = value_B2
    answer_B = standardised(np.tanh(value_B2.sum(axis=1)), trained)
    return Examples(graph, torch.from_numpy(x_BND).to(answer_B.dtype), answer_B, 1, None, ((0, *pair),), trained)
