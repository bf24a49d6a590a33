"""One more node that is joined to all others."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from engine.labs.gnn.remedies.rewiring import Rewiring

if TYPE_CHECKING:
    from numpy.random import Generator

    from engine.labs.gnn.datasets.graph import Graph


class VirtualNode(Rewiring):
    """Differs: PyG's VirtualNode gives the two directions of the new edges types of their own; here they are edges like the others, and
    the new node has the weights of all nodes. In the paper it has a larger state, which is updated after that of the others.
    """

    idea = (
        "A new node without features is joined to every other one, so that any two are at most two edges apart. It adds a node, the last "
        "one: no task reads it, and distances and pairs of the data leave it out."
    )
    formula = r"V'=V\cup\{*\},\quad E'=E\cup\{v*: v\in V\},\quad x_*=0"
    paper = "Neural Message Passing for Quantum Chemistry (Gilmer et al., ICML 2017, arXiv 1704.01212)"
    cost = "As many more edges as there are nodes."
    fails = (
        "All that goes over it goes through one state of the network's width. In GCN's operator an edge to it weighs less the more nodes "
        "there are, for its degree is their number."
    )
    reading = "paper"
    source = "section 5.2, the latent master node; edges and features as in PyG's transforms.VirtualNode"

    def rewire(self, graph: Graph, generator: Generator) -> Graph:
        joined = replace(graph, nodes=graph.nodes + 1).plus((node, graph.nodes) for node in range(graph.nodes))
        if graph.position_N2 is None:
            return joined
        middle_12 = graph.position_N2.mean(axis=0, keepdims=True)
        return replace(joined, position_N2=np.concatenate([graph.position_N2, middle_12]))
