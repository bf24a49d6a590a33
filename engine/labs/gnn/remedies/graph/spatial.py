"""Random places in a square, joined where they are near."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.declare.knobs import knob
from engine.labs.gnn.datasets.graph import Graph
from engine.labs.gnn.remedies.graph import GraphChoice

if TYPE_CHECKING:
    from numpy.random import Generator


class Spatial(GraphChoice):
    idea = (
        "Nodes lie at random places in the unit square, and two are joined where they are nearer than the radius, as sensors or roads are."
    )
    formula = r"u\sim v\iff\|x_u-x_v\|_2\le\rho,\quad x_u\sim U([0,1]^2)"
    paper = "Random Geometric Graphs (Penrose 2003, Oxford University Press)"
    cost = "Edges grow with the square of the nodes times the square of the radius."
    fails = "With a small radius it falls apart into components, and some nodes have no neighbour at all."
    reading = "public code"
    source = "random_geometric_graph in generators/geometric.py of networkx/networkx"

    nodes: int = knob(60, "nodes", unit="nodes", group="size", ge=2, le=2000)
    radius: float = knob(0.2, "two nodes are joined up to this distance, in sides of the square", group="size", ge=0.01, le=1.5)

    def build(self, generator: Generator) -> Graph:
        import networkx

        position_N2 = generator.random((self.nodes, 2))
        made = networkx.random_geometric_graph(self.nodes, self.radius, pos=dict(enumerate(position_N2.tolist())))
        return Graph.of(self.nodes, made.edges, position_N2)
