"""Question `task`: what must the network say about the graph?  An answer is a file here, such as transfer.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.declare.knobs import Choice

if TYPE_CHECKING:
    from engine.labs.gnn.datasets.examples import Examples
    from engine.labs.gnn.datasets.graph import Graph


class Task(Choice):
    """What must the network say about the graph?"""

    def examples(self, graph: Graph, read: int, holds: int) -> Examples:
        """-> everything that is trained on; `read` is the node that is read, `holds` the one that knows."""
        raise TypeError(f"{type(self).__name__} must define examples(graph, read, holds)")
