"""A node has nothing but its features and its neighbours."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.labs.gnn.remedies.positional_encoding import PositionalEncoding

if TYPE_CHECKING:
    from engine.labs.gnn.datasets.graph import Graph
    from engine.labs.gnn.models.encodings import Encoding
    from engine.labs.gnn.models.networks import MakeLayer


class Nothing(PositionalEncoding):
    idea = "Two nodes that have the same features and see the same around them are the same to the network."
    formula = r"h_v^{(0)}=x_v"
    paper = "The usual message passing network (Gilmer et al. 2017, arXiv 1704.01212)"
    cost = "Nothing."
    fails = "By its formula two nodes whose surroundings look alike get the same state, however far apart they lie."
    reading = "paper"
    source = "section 2 of that paper, where a node begins with its features"

    def build(self, graph: Graph, make_layer: MakeLayer) -> Encoding | None:
        return None
