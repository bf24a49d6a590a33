"""A circle: the message crosses half of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.declare.knobs import knob
from engine.labs.gnn.datasets.graph import Graph
from engine.labs.gnn.remedies.graph import TRANSFER, GraphChoice

if TYPE_CHECKING:
    from numpy.random import Generator


class Ring(GraphChoice):
    idea = (
        "The nodes form a circle. The node that is read and the one that knows lie opposite each other, and the message has a way round "
        "on either side."
    )
    formula = r"n=2r,\quad (S^r)_{vu}=2^{-(r-1)}\ \text{without self loops}"
    paper = f"RingTransfer of {TRANSFER}, after Bodnar et al. 2021 (arXiv 2106.12575)"
    cost = "As many edges as nodes."
    fails = (
        "Distance and effective resistance grow together here, so a ring tells nothing of which of them hampers a message. "
        "From five nodes on every edge has a balanced Forman curvature of 0, and a rewiring that looks for negative curvature finds none."
    )
    reading = "authors' code"
    source = "data/ring_transfer.py of lrnzgiusti/on-oversquashing"

    distance: int = knob(
        10,
        "hops between the node that is read and the one that knows; the ring has twice as many nodes",
        unit="hops",
        source="the paper: 2 to 15",
        group="size",
        ge=2,
        le=1000,
    )

    def build(self, generator: Generator) -> Graph:
        nodes = 2 * self.distance
        return Graph.of(nodes, [(node, (node + 1) % nodes) for node in range(nodes)])

    def ends(self, graph: Graph) -> tuple[int, int]:
        return 0, self.distance
