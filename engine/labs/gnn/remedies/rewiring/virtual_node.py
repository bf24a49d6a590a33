"""One more node that is joined to all others."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from engine.labs.gnn.remedies.rewiring import Rewiring

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

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

        def with_mean(of_N2: NDArray[np.float64] | None) -> NDArray[np.float64] | None:
            return None if of_N2 is None else np.concatenate([of_N2, of_N2.mean(axis=0, keepdims=True)])

        label_N = None if graph.label_N is None else np.append(graph.label_N, -1)  # of no block
        return replace(joined, position_N2=with_mean(graph.position_N2), velocity_N2=with_mean(graph.velocity_N2), label_N=label_N)
