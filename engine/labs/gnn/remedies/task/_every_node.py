"""What tasks share that ask every node."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.labs.gnn.remedies.task import Task

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.labs.gnn.datasets.graph import Graph


class EveryNode(Task):
    def ends(self, graph: Graph, given: tuple[int, int], kept_M: Iterable[int]) -> tuple[int, int]:
        """Two nodes of the edited graph that are farthest apart, for every one is read; ValueError for a graph without edges."""
        from engine.labs.gnn.datasets.distances import farthest

        read, holds = farthest(graph)
        if read == holds:
            raise ValueError("no two nodes of the graph are joined, so there is no message to follow; choose a graph with edges.")
        return read, holds
