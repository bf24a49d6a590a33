"""Question `graph`: which graph does the message travel on?  An answer is a file here, such as barbell.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.declare.knobs import Choice

if TYPE_CHECKING:
    from numpy.random import Generator

    from engine.labs.gnn.datasets.graph import Graph

TRANSFER = "On Over-Squashing in Message Passing Neural Networks (Di Giovanni et al., ICML 2023, arXiv 2302.02941)"


class GraphChoice(Choice):
    """Which graph does the message travel on?"""

    def build(self, generator: Generator) -> Graph:
        """-> the graph; only random families draw from `generator`."""
        raise TypeError(f"{type(self).__name__} must define build(generator)")

    def ends(self, graph: Graph) -> tuple[int, int]:
        """-> (node that is read, node that knows), between which a message must travel; here two that are farthest apart, the first such
        pair, and one node twice in a graph without edges.  The paper of the transfer task calls the node that is read the source, and the
        one that knows the target."""
        from engine.labs.gnn.datasets.distances import farthest

        return farthest(graph)
