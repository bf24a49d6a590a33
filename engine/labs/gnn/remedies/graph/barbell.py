"""Two cliques and a path between them: the bottleneck that everybody draws."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.declare.knobs import knob
from engine.labs.gnn.datasets.graph import Graph
from engine.labs.gnn.remedies.graph import GraphChoice
from engine.labs.gnn.remedies.graph._networkx import graph_of

if TYPE_CHECKING:
    from numpy.random import Generator


class Barbell(GraphChoice):
    idea = "Two cliques are joined by a path. Whatever the nodes of one clique have to say to those of the other goes along it."
    formula = r"K_c - P_p - K_c,\quad n=2c+p"
    paper = "The usual example of a bottleneck, as in Topping et al. (ICLR 2022, arXiv 2111.14522)"
    cost = "Edges grow with the square of a clique's size."
    fails = (
        "Its bottleneck is as plain as can be, and many a random edge bridges it: a result on it says little about how well a rewiring "
        "chooses."
    )
    reading = "public code"
    source = "barbell_graph in generators/classic.py of networkx/networkx"

    clique: int = knob(8, "nodes of each clique", unit="nodes", group="size", ge=2, le=64)
    path: int = knob(6, "nodes of the path between them", unit="nodes", group="size", ge=0, le=256)

    def build(self, generator: Generator) -> Graph:
        import networkx

        return graph_of(networkx.barbell_graph(self.clique, self.path))
