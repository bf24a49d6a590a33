"""The graph stays as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.labs.gnn.remedies.rewiring import Rewiring

if TYPE_CHECKING:
    from numpy.random import Generator

    from engine.labs.gnn.datasets.graph import Graph


class Unchanged(Rewiring):
    idea = "Messages travel along the edges of the data and along no others."
    formula = r"E'=E"
    paper = "The usual message passing network (Gilmer et al. 2017, arXiv 1704.01212)"
    cost = "Nothing."
    fails = "Whatever bottleneck the graph has, the network has too."
    reading = "paper"
    source = "section 2 of that paper, where messages come from the neighbours in the graph"

    def rewire(self, graph: Graph, generator: Generator) -> Graph:
        return graph
