"""A control of PIORF: the same partners for the nodes of the highest degree, without any curvature."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from engine.declare.knobs import knob
from engine.labs.gnn.remedies.rewiring import Rewiring
from engine.labs.gnn.remedies.rewiring._piorf import EDGES, EDGES_SOURCE, PAPER, fastest_relative, in_order, joined

if TYPE_CHECKING:
    from numpy.random import Generator

    from engine.labs.gnn.datasets.graph import Graph


class PhysicsInformedDegree(Rewiring):
    """Why: whatever PIORF gains beyond this comes from the curvature; what this gains beyond random partners comes from the velocities.

    Differs: our control; nodes of one degree are taken in their order, and a pair that is joined already gives way to the next as in PIORF.
    """

    idea = (
        "The nodes with the most neighbours take the place of those with the lowest curvature; each is joined to the node whose velocity "
        "differs most from its own."
    )
    formula = r"r(s)=\arg\max_i\|v_i-v_s\|_2,\quad E'=E\cup\{(s,r(s)):d_s\text{ highest}\}"
    paper = f"A control of {PAPER}"
    cost = "Nothing but a sort of the degrees."
    fails = "By its formula it knows nothing of bottlenecks: a node in the midst of a well-joined cluster has many neighbours too."
    reading = "authors' code"
    source = "model_cylinder.py of yuyudeep/PIORF-main, with degrees in place of the curvatures of preprocessing/rewire_piorf.py"

    edges: int = knob(4, EDGES, unit="edges", source=EDGES_SOURCE, group="remedy", ge=0, le=200)

    def rewire(self, graph: Graph, generator: Generator) -> Graph:
        partner, degree_N = fastest_relative(graph), graph.degree_N
        return joined(graph, self.edges, in_order(np.where(degree_N > 0, -degree_N, np.inf)), partner)
