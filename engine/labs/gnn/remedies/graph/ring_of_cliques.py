"""Cliques in a circle, each joined to the next by one edge."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.declare.knobs import knob
from engine.labs.gnn.datasets.graph import Graph
from engine.labs.gnn.remedies.graph import GraphChoice
from engine.labs.gnn.remedies.graph._networkx import graph_of

if TYPE_CHECKING:
    from numpy.random import Generator


class RingOfCliques(GraphChoice):
    idea = "Cliques stand in a circle and each is joined to the next by one edge, so there are many bottlenecks that are all alike."
    formula = r"n=k\,c\ \text{for }k\text{ cliques of }c\text{ nodes}"
    paper = "A usual example of communities; rewired in Karhadkar, Banerjee and Montúfar (ICLR 2023, arXiv 2210.11790)"
    cost = "The number of edges grows with the square of a clique's size, and in proportion to the number of cliques."
    fails = "By its symmetry two eigenvectors share the second eigenvalue, and a method that follows one of them sees half of the picture."
    reading = "public code"
    source = "ring_of_cliques in generators/community.py of networkx/networkx"

    cliques: int = knob(8, "cliques in the ring", unit="cliques", group="size", ge=3, le=64)
    size: int = knob(5, "nodes of each clique", unit="nodes", group="size", ge=2, le=32)

    def build(self, generator: Generator) -> Graph:
        import networkx

        return graph_of(networkx.ring_of_cliques(self.cliques, self.size))
