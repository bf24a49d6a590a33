"""A rectangular lattice, or a torus."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from engine.declare.knobs import knob
from engine.labs.gnn.datasets.graph import Graph
from engine.labs.gnn.remedies.graph import GraphChoice
from engine.labs.gnn.remedies.graph._networkx import graph_of

if TYPE_CHECKING:
    from numpy.random import Generator


class Grid(GraphChoice):
    idea = "Nodes lie in rows and columns and are joined to their neighbours up, down, left and right, as pixels or a coarse mesh."
    formula = r"n=\text{rows}\cdot\text{columns}"
    paper = "The usual lattice"
    cost = "About twice as many edges as nodes."
    fails = "Distances grow with the square root of the number of nodes, so it needs fewer layers than a ring of the same size."
    reading = "public code"
    source = "grid_2d_graph in generators/lattice.py of networkx/networkx"

    rows: int = knob(8, "rows", unit="nodes", group="size", ge=2, le=45)
    columns: int = knob(8, "columns", unit="nodes", group="size", ge=2, le=45)
    wrap: bool = knob(False, "the last row is joined to the first, and the last column to the first: a torus", group="size")

    def build(self, generator: Generator) -> Graph:
        import networkx

        made = networkx.grid_2d_graph(self.rows, self.columns, periodic=self.wrap)
        graph = graph_of(networkx.convert_node_labels_to_integers(made, ordering="sorted"))
        if self.wrap:
            return graph  # a torus has no places in the plane
        row_N, column_N = np.divmod(np.arange(graph.nodes), self.columns)
        return replace(graph, position_N2=np.stack([column_N, row_N], axis=1) / (max(self.rows, self.columns) - 1.0))
