"""A control of PIORF: the nodes of the lowest curvature are joined to partners at random, whatever the flow does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from engine.declare.knobs import knob
from engine.labs.gnn.datasets.node_curvature import node_curvature_N
from engine.labs.gnn.remedies.rewiring import Rewiring
from engine.labs.gnn.remedies.rewiring._piorf import EDGES, EDGES_SOURCE, PAPER, in_order, joined

if TYPE_CHECKING:
    from numpy.random import Generator

    from engine.labs.gnn.datasets.graph import Graph


class PhysicsInformedRandomPartner(Rewiring):
    """Why: whatever PIORF gains beyond this comes from the velocities; what this gains beyond random edges comes from the curvature.

    Differs: our control; each node that is not joined yet is as likely a partner as any other.
    """

    idea = "Each of the nodes with the lowest mean Ollivier curvature is joined to a node at random. It needs no velocities."
    formula = r"E'=E\cup\{(s,r):\gamma_s\text{ lowest}\},\quad r\sim U(V\setminus(N_s\cup\{s\}))"
    paper = f"A control of {PAPER}"
    cost = "A small transport problem for every edge of the graph, once."
    fails = "A single draw says little; several seeds give the band beside which PIORF is read."
    reading = "authors' code"
    source = "preprocessing/rewire_piorf.py of yuyudeep/PIORF-main, with random partners in place of those of model_cylinder.py"

    edges: int = knob(4, EDGES, unit="edges", source=EDGES_SOURCE, group="remedy", ge=0, le=200)

    def rewire(self, graph: Graph, generator: Generator) -> Graph:
        def partner(node: int, open_N: NDArray[np.bool_]) -> int:
            return int(generator.choice(np.flatnonzero(open_N)))

        return joined(graph, self.edges, in_order(node_curvature_N(graph)), partner)
