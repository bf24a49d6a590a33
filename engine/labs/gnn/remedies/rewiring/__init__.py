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
        """-> the graph that layers see: the same nodes in the same order, new edges marked as added."""
        raise TypeError(f"{type(self).__name__} must define rewire(graph, generator)")
