"""A tree in which every inner node has the same number of children."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.declare.knobs import knob
from engine.labs.gnn.datasets.graph import Graph
from engine.labs.gnn.remedies.graph import TRANSFER, GraphChoice

if TYPE_CHECKING:
    from numpy.random import Generator


LARGEST = 3_000  # nodes


class Tree(GraphChoice):
    idea = "Every inner node has the same number of children. The node that is read is the root, the one that knows the last leaf."
    formula = r"n=\frac{a^{r+1}-1}{a-1}\ \text{nodes of arity }a"
    paper = f"Tree of {TRANSFER}; of arity two also in Alon and Yahav (ICLR 2021, arXiv 2006.05205)"
    cost = "One edge less than nodes, and their number grows as a power of the distance."
    fails = (
        "There is one path between two nodes, so distance and effective resistance are the same number and a tree cannot tell them apart."
    )
    reading = "authors' code"
    source = "data/ring_transfer.py of lrnzgiusti/on-oversquashing"

    distance: int = knob(4, "hops from the root to the leaves", unit="hops", group="size", ge=1, le=10)
    arity: int = knob(2, "children of an inner node", unit="nodes", group="size", ge=2, le=5)

    def build(self, generator: Generator) -> Graph:
        """ValueError for a tree of more than LARGEST nodes."""
        nodes = (self.arity ** (self.distance + 1) - 1) // (self.arity - 1)
        if nodes > LARGEST:
            raise ValueError(
                f"a tree of arity {self.arity} and distance {self.distance} has {nodes:,} nodes; at most {LARGEST:,} are allowed, "
                "so choose a smaller distance or arity."
            )
        return Graph.of(nodes, [((node - 1) // self.arity, node) for node in range(1, nodes)])

    def ends(self, graph: Graph) -> tuple[int, int]:
        return 0, graph.nodes - 1
