"""Physics-informed Ollivier–Ricci flow: the nodes of the lowest curvature are joined to those that the flow passes most differently."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.declare.knobs import knob
from engine.labs.gnn.datasets.node_curvature import node_curvature_N
from engine.labs.gnn.remedies.rewiring import Rewiring
from engine.labs.gnn.remedies.rewiring._piorf import EDGES, EDGES_SOURCE, PAPER, fastest_relative, in_order, joined

if TYPE_CHECKING:
    from numpy.random import Generator

    from engine.labs.gnn.datasets.graph import Graph


class PhysicsInformedFlow(Rewiring):
    """Differs: velocities are compared themselves; the authors' code compares a learned linear map of them. Where a node is joined to the
    one of the largest difference already, the next one is taken, so that the number of edges is kept; the authors' code adds fewer. The
    authors choose partners anew as the flow changes; here it stays as it is, and the edges are chosen once.
    """

    idea = (
        "A node whose edges have a low mean Ollivier curvature is where messages are squeezed. Each of the lowest ones is joined to the "
        "node whose velocity differs most from its own, however far away that is."
    )
    formula = (
        r"\gamma_i=\frac{1}{d_i}\sum_{j\in N_i}\kappa(i,j),\quad r(s)=\arg\max_i\|v_i-v_s\|_2,\quad "
        r"E'=E\cup\{(s,r(s)):\gamma_s\text{ lowest}\}"
    )
    paper = PAPER
    cost = "A small transport problem for every edge of the graph, once."
    fails = (
        "By its formula a partner is a node of extreme velocity, and around a cylinder those lie on it, wherever the bottleneck is. "
        "On a mesh the nodes of low curvature are mostly those of high degree: the preset mesh_controls compares both."
    )
    reading = "authors' code"
    source = "preprocessing/rewire_piorf.py and model_cylinder.py of yuyudeep/PIORF-main"

    edges: int = knob(4, EDGES, unit="edges", source=EDGES_SOURCE, group="remedy", ge=0, le=200)

    def rewire(self, graph: Graph, generator: Generator) -> Graph:
        partner = fastest_relative(graph)
        return joined(graph, self.edges, in_order(node_curvature_N(graph)), partner)
