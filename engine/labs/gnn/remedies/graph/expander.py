"""A random graph in which all nodes have the same degree."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.declare.knobs import knob
from engine.labs.gnn.datasets.distances import connected
from engine.labs.gnn.datasets.graph import Graph
from engine.labs.gnn.remedies.graph import GraphChoice
from engine.labs.gnn.remedies.graph._networkx import graph_of, seed_of

if TYPE_CHECKING:
    from numpy.random import Generator


DRAWS = 100


class Expander(GraphChoice):
    """Differs: a draw that falls apart into several components is drawn again."""

    idea = (
        "All nodes have the same degree and are joined at random. Such a graph has few edges and still no narrow cut: "
        "with high probability its spectral gap is near the largest that its degree allows."
    )
    formula = r"d_i=d,\quad \mu_2\le 2\sqrt{d-1}+\varepsilon\ \text{for the second eigenvalue of }A"
    paper = "A Proof of Alon's Second Eigenvalue Conjecture (Friedman 2004, arXiv cs/0405020)"
    cost = "Degree times nodes over two edges."
    fails = "It is random: a small one may be far from the bound. It resembles no graph that people have measured."
    reading = "public code"
    source = "random_regular_graph in generators/random_graphs.py of networkx/networkx"

    nodes: int = knob(64, "nodes", unit="nodes", group="size", ge=4, le=2000)
    degree: int = knob(4, "neighbours of every node", unit="nodes", group="size", ge=3, le=32)

    def build(self, generator: Generator) -> Graph:
        """ValueError where no such graph exists."""
        import networkx

        if self.degree >= self.nodes or self.degree * self.nodes % 2:
            raise ValueError(
                f"{self.nodes} nodes cannot all have degree {self.degree}; the degree must be below the number of nodes and "
                "one of the two even, so change either by one."
            )
        for _ in range(DRAWS):
            graph = graph_of(networkx.random_regular_graph(self.degree, self.nodes, seed=seed_of(generator)))
            if connected(graph):
                return graph
        raise ArithmeticError(f"{DRAWS} draws of {self.nodes} nodes of degree {self.degree} all fell apart; choose another seed.")
