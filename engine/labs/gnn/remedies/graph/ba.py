"""Preferential attachment: few hubs with many neighbours, many nodes with few."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.declare.knobs import knob
from engine.labs.gnn.datasets.graph import Graph
from engine.labs.gnn.remedies.graph import GraphChoice
from engine.labs.gnn.remedies.graph._networkx import graph_of, seed_of

if TYPE_CHECKING:
    from numpy.random import Generator


class BarabasiAlbert(GraphChoice):
    idea = "Nodes arrive one by one and each is joined to a few of those present, to one with many neighbours more likely: hubs arise."
    formula = r"P(\text{new}\sim v)\propto d_v"
    paper = "Emergence of scaling in random networks (Barabási and Albert 1999, arXiv cond-mat/9910332)"
    cost = "About as many edges as nodes times links."
    fails = "Any two nodes are a few hops apart, so few distances occur."
    reading = "public code"
    source = "barabasi_albert_graph in generators/random_graphs.py of networkx/networkx"

    nodes: int = knob(60, "nodes", unit="nodes", group="size", ge=3, le=2000)
    links: int = knob(2, "edges that each new node brings", unit="edges", group="size", ge=1, le=20)

    def build(self, generator: Generator) -> Graph:
        """ValueError where there are too few nodes for the links."""
        import networkx

        if self.links >= self.nodes:
            raise ValueError(
                f"{self.links} links of each new node need more than the {self.nodes} nodes there are; give fewer links or more nodes."
            )
        return graph_of(networkx.barabasi_albert_graph(self.nodes, self.links, seed=seed_of(generator)))
