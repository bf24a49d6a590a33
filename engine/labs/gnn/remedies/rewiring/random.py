"""Edges at random: the control that every other rewiring must beat."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from engine.declare.knobs import knob
from engine.labs.gnn.remedies.rewiring import Rewiring

if TYPE_CHECKING:
    from numpy.random import Generator

    from engine.labs.gnn.datasets.graph import Graph


class RandomEdges(Rewiring):
    idea = (
        "Pairs without an edge are joined at random, each as likely as any other. Whatever a rewiring with the same number of edges gains "
        "beyond this comes from where it puts them."
    )
    formula = r"E'=E\cup\{e_1,\dots,e_k\},\quad e_i\sim U(\bar E)\ \text{without replacement}"
    paper = "Our control with an equal budget; edges are drawn as in On Random Graphs I (Erdős and Rényi, Publ. Math. Debrecen 6, 1959)"
    cost = "Nothing but the edges themselves."
    fails = "A single draw says little; several seeds give the band beside which another rewiring is read."
    reading = "paper"
    source = "definition of the random graph of that paper: each set of so many edges is equally likely"

    edges: int = knob(4, "edges to add", unit="edges", group="remedy", ge=0, le=200)

    def rewire(self, graph: Graph, generator: Generator) -> Graph:
        pairs_M2 = np.argwhere(graph.open_NN())
        return graph.plus(pairs_M2[generator.permutation(len(pairs_M2))[: self.edges]].tolist())
