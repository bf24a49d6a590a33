"""A clique with a path on it: the message comes up the path and must be heard in the crowd."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.declare.knobs import knob
from engine.labs.gnn.datasets.graph import Graph
from engine.labs.gnn.remedies.graph import TRANSFER, GraphChoice

if TYPE_CHECKING:
    from numpy.random import Generator


class CliquePath(GraphChoice):
    """Differs: an edge that the authors' code lists twice is one edge here, so that its weight is not doubled."""

    idea = (
        "Half of the nodes form a clique, the other half a path that hangs on it. The node that knows is the end of the path. The "
        "one that is read lies in the clique and hears all other nodes of it as loudly as the one through which the message comes."
    )
    formula = r"n=2(r-1),\quad (S^r)_{vu}=\frac{2^{-(r-2)}}{(r-1)\sqrt{r-2}}\ \text{without self loops}"
    paper = f"CliquePath of {TRANSFER}"
    cost = "About an eighth of the squared number of nodes in edges."
    fails = "Clique and path grow together with the distance, so a ladder over the distance changes the crowd as well."
    reading = "authors' code"
    source = "data/ring_transfer.py of lrnzgiusti/on-oversquashing, where it is the lollipop"

    distance: int = knob(
        8,
        "hops between the node that is read and the one that knows; clique and path have one node less each",
        unit="hops",
        source="the paper: to 15",
        group="size",
        ge=3,
        le=200,
    )

    def build(self, generator: Generator) -> Graph:
        half = self.distance - 1
        pairs = [(a, b) for b in range(half) for a in range(b)]
        return Graph.of(2 * half, pairs + [(node - 1, node) for node in range(half, 2 * half)])

    def ends(self, graph: Graph) -> tuple[int, int]:
        return 0, graph.nodes - 1
