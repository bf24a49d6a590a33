"""A circle with chords between its two halves, which leave the node that is read as far from the one that knows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.declare.knobs import knob
from engine.labs.gnn.datasets.graph import Graph
from engine.labs.gnn.remedies.graph import TRANSFER, GraphChoice

if TYPE_CHECKING:
    from numpy.random import Generator


class CrossedRing(GraphChoice):
    """Differs: an edge that the authors' code lists twice is one edge here, so that its weight is not doubled."""

    idea = (
        "A ring whose two halves are joined by chords. The node that is read and the one that knows are as far apart as on the plain ring, "
        "and there are many more shortest paths between them."
    )
    formula = r"n=2r,\quad (S^r)_{vu}=\tfrac{16}{9}\,2^{-r}\ \text{without self loops, for }r\ge 3"
    paper = f"CrossedRing of {TRANSFER}"
    cost = "Almost twice as many edges as nodes."
    fails = (
        "Inner nodes have more neighbours, so without self loops a message fades by the same factor per hop as on the plain ring. "
        "The closed form printed beside the authors' code belongs to another graph than the one it builds."
    )
    reading = "authors' code"
    source = "data/ring_transfer.py of lrnzgiusti/on-oversquashing"

    distance: int = knob(
        10,
        "hops between the node that is read and the one that knows; there are twice as many nodes",
        unit="hops",
        source="the paper: 2 to 15",
        group="size",
        ge=2,
        le=1000,
    )

    def build(self, generator: Generator) -> Graph:
        nodes = 2 * self.distance
        pairs = [(node, (node + 1) % nodes) for node in range(nodes)]
        pairs += [(node, nodes - 1 - node) for node in range(self.distance)]
        pairs += [(node, nodes + 1 - node) for node in range(2, self.distance)]
        return Graph.of(nodes, pairs)

    def ends(self, graph: Graph) -> tuple[int, int]:
        return 0, self.distance
