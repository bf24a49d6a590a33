"""Question `rewiring`: which edges are added or taken away before the training?  An answer is a file here, such as gtr.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.declare.knobs import Choice

if TYPE_CHECKING:
    from numpy.random import Generator

    from engine.labs.gnn.datasets.graph import Graph


class Rewiring(Choice):
    """Which edges are added or taken away before the training?"""

    def rewire(self, graph: Graph, generator: Generator) -> Graph:
        """-> the graph that layers see: the same nodes in the same order, new edges marked as added; new nodes, if any, come last."""
        raise TypeError(f"{type(self).__name__} must define rewire(graph, generator)")

    def last_layer(self, graph: Graph) -> Graph:
        """What the last layer sees of the rewired `graph`: the same as the others, unless an answer says otherwise."""
        return graph
