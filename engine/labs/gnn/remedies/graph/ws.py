"""A small world: a ring of neighbours with some edges led elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.declare.knobs import knob
from engine.labs.gnn.datasets.graph import Graph
from engine.labs.gnn.remedies.graph import GraphChoice
from engine.labs.gnn.remedies.graph._networkx import graph_of, seed_of

if TYPE_CHECKING:
    from numpy.random import Generator


class WattsStrogatz(GraphChoice):
    idea = "Nodes in a circle are joined to their nearest neighbours; then each edge is led to a random node with a given probability."
    formula = r"p=0:\ \text{ring lattice},\quad p=1:\ \text{random graph}"
    paper = "Collective dynamics of small-world networks (Watts and Strogatz, Nature 393, 1998)"
    cost = "Nodes times neighbours over two edges."
    fails = "With few neighbours and much led elsewhere it may fall apart into components."
    reading = "public code"
    source = "watts_strogatz_graph in generators/random_graphs.py of networkx/networkx"

    nodes: int = knob(60, "nodes", unit="nodes", group="size", ge=3, le=2000)
    neighbours: int = knob(
        4, "neighbours of a node in the circle, half of them on either side; an even number", unit="nodes", group="size", ge=2, le=40
    )
    rewired: float = knob(0.1, "probability that an edge is led elsewhere", group="size", ge=0.0, le=1.0)

    def build(self, generator: Generator) -> Graph:
        """ValueError for an odd number of neighbours, or as many as nodes."""
        import networkx

        if self.neighbours % 2 or self.neighbours >= self.nodes:
            raise ValueError(f"{self.neighbours} neighbours in a circle of {self.nodes} nodes; give an even number below {self.nodes}.")
        return graph_of(networkx.watts_strogatz_graph(self.nodes, self.neighbours, self.rewired, seed=seed_of(generator)))
