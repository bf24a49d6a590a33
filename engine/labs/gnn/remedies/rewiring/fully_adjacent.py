"""The graph stays as it is, and the last layer sees every pair of nodes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from engine.labs.gnn.remedies.rewiring import Rewiring

if TYPE_CHECKING:
    from numpy.random import Generator

    from engine.labs.gnn.datasets.graph import Graph


class FullyAdjacent(Rewiring):
    """Differs: layers divide by degrees where they always do, so that GCN takes the mean over all nodes."""

    idea = (
        "All layers but the last hand messages along the edges of the data. In the last one every node hears every other one, all with "
        "the same weight: the answer reaches the node that is read in one step, from wherever it is."
    )
    formula = r"E_l=E\ \text{for}\ l<L,\quad E_L=\{uv: u\neq v\}"
    paper = "On the Bottleneck of Graph Neural Networks (Alon and Yahav, ICLR 2021, arXiv 2006.05205)"
    cost = "One layer over all pairs: N·N products of states, and no weight more."
    fails = (
        "The last layer no longer knows the graph. With GCN and plain message passing it is one mean, so that after it all nodes say "
        "the same: what is asked differently of two nodes of one graph cannot be answered, and by its formula the last layer's Dirichlet "
        "energy is 0 on a regular graph. Facts of the graph, resistance among them, are those of the other layers."
    )
    reading = "paper"
    source = "section 4, the last layer's edges between every pair of nodes"

    def rewire(self, graph: Graph, generator: Generator) -> Graph:
        return graph

    def last_layer(self, graph: Graph) -> Graph:
        a_E, b_E = np.triu_indices(graph.nodes, 1)
        here_NN = ~graph.open_NN()
        edges_E2 = np.stack([a_E, b_E], axis=1).astype(np.int64)
        return replace(graph, edges_E2=edges_E2, added_E=~here_NN[a_E, b_E], weight_E=np.ones(len(edges_E2)))
