"""Every node is joined to every other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.declare.knobs import knob
from engine.labs.gnn.datasets.graph import Graph
from engine.labs.gnn.remedies.graph import GraphChoice
from engine.labs.gnn.remedies.graph._networkx import graph_of

if TYPE_CHECKING:
    from numpy.random import Generator


class Complete(GraphChoice):
    idea = "Every node is joined to every other: there is no bottleneck, no distance above one hop and nothing left to rewire."
    formula = r"K_n,\quad R_{\mathrm{tot}}=n-1,\quad \lambda_2=\frac{n}{n-1}"
    paper = "The graph to which a fully-adjacent layer comes down (Alon and Yahav, ICLR 2021, arXiv 2006.05205)"
    cost = "About half of the squared number of nodes in edges."
    fails = "One layer of a graph convolution averages all nodes, so what told them apart is gone at once."
    reading = "public code"
    source = "complete_graph in generators/classic.py of networkx/networkx"

    nodes: int = knob(16, "nodes", unit="nodes", group="size", ge=2, le=200)

    def build(self, generator: Generator) -> Graph:
        import networkx

        return graph_of(networkx.complete_graph(self.nodes))
