"""Greedy total resistance: each edge is the one that lowers the sum of all effective resistances most."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from engine.declare.knobs import knob
from engine.labs.gnn.datasets.distances import components_N
from engine.labs.gnn.datasets.greedy import first_best
from engine.labs.gnn.datasets.resistance import Updated
from engine.labs.gnn.remedies.rewiring import Rewiring

if TYPE_CHECKING:
    from numpy.random import Generator

    from engine.labs.gnn.datasets.graph import Graph


class GreedyTotalResistance(Rewiring):
    """Differs: P² is updated by vectors alone, where the authors' code inverts a matrix of two rows. Of edges that are equally good to
    rounding the first is taken, and where none is left the rewiring ends; the authors' code then adds a self loop. In a graph of several
    components each one is seen for itself, and no edge joins two.
    """

    idea = (
        "Effective resistance is small between nodes that are joined by many short paths. Each new edge is the one that lowers the sum "
        "of the resistances over all pairs most; by how much is known before it is added."
    )
    formula = (
        r"R_{\mathrm{tot}}=\sum_{u<v}R_{uv}=n\,\mathrm{tr}L^+,\quad "
        r"\Delta_{st}=n\,\frac{B_{st}}{1+R_{st}},\quad B_{st}=\|(L^+)_s-(L^+)_t\|^2"
    )
    paper = "Understanding Oversquashing in GNNs through the Lens of Effective Resistance (Black et al., ICML 2023, arXiv 2302.06835)"
    cost = "One inverse at the start, then a few passes over an N by N matrix per edge, in double precision."
    fails = (
        "Greedy: each edge is chosen as if it were the last one, and by its formula the two edges that lower the sum most together may be "
        "neither of those that do so alone. The sum over all pairs says little about one pair. "
        "Long edges mix what lies far apart, so a deep network may over-smooth sooner."
    )
    reading = "authors' code"
    source = "src/gtr.py of blackmit/gtr_rewiring"

    edges: int = knob(4, "edges to add; fewer are the first of more", unit="edges", group="remedy", ge=0, le=200)

    def rewire(self, graph: Graph, generator: Generator) -> Graph:
        return graph.plus(greedy_edges(graph, self.edges))


def greedy_edges(graph: Graph, edges: int) -> list[tuple[int, int]]:
    """The first `edges` pairs, in the order in which they are added; fewer where no pair without an edge is left in any component."""
    component_N = components_N(graph)
    size_N = np.bincount(component_N)[component_N]
    open_NN = graph.open_NN() & (component_N[:, None] == component_N[None, :])
    state, chosen = Updated.of(graph), []
    while len(chosen) < edges:
        pair = first_best(state.gains_NN() * size_N[:, None], open_NN)
        if pair is None:
            break
        state.add(*pair)
        open_NN[pair] = False
        chosen.append(pair)
    return chosen
