"""Batch Ollivier-Ricci flow: edges along the longest legs of the transport over the most negatively curved edges."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from engine.declare.knobs import knob
from engine.labs.gnn.datasets.curvature import Transport, ones_NN, transport
from engine.labs.gnn.datasets.greedy import TIE, first_best
from engine.labs.gnn.remedies.rewiring import Rewiring

if TYPE_CHECKING:
    from numpy.random import Generator

    from engine.labs.gnn.datasets.graph import Graph


class BatchOllivierRicciFlow(Rewiring):
    """Differs: where the pair of an edge is joined already, the edge with the next larger curvature gives one, so that the number of edges
    is kept; the authors' code adds fewer. An edge is removed only where its curvature is positive. What both ends share stays where it is
    in the transport, and where several transports are equally cheap another one may be taken than by the authors' solver.
    """

    idea = (
        "The Ollivier curvature of an edge compares the way between the neighbourhoods of its ends with the edge itself. For the most "
        "negatively curved edges the two nodes are joined between which moving mass is dearest; the most positively curved ones may be "
        "removed. All this is done in batches, within which the curvatures are not computed again."
    )
    formula = r"\kappa(u,v)=1-W_1(\mu_u,\mu_v),\quad (p,q)=\arg\max_{p\in N_u,\,q\in N_v}\pi_{pq}\,d(p,q)"
    paper = "Revisiting Over-smoothing and Over-squashing Using Ollivier-Ricci Curvature (Nguyen et al., ICML 2023, arXiv 2211.15779)"
    cost = "A small linear program for every edge of the graph in every batch."
    fails = (
        "It joins nodes at most three hops apart, so a long path gets shorter only little by little. "
        "On a path or a ring nothing has to be moved beyond one hop, and no edge is added. "
        "A batch may spend its edges on edges that lie side by side."
    )
    reading = "authors' code"
    source = "preprocessing/borf.py of hieubkvn123/revisiting-gnn-curvature"

    edges: int = knob(4, "edges to add over all batches", unit="edges", group="remedy", ge=0, le=200)
    batch: int = knob(
        4, "edges added before the curvatures are computed again", unit="edges", source="the authors' code: 4", group="remedy", ge=1, le=200
    )
    removed: int = knob(
        0, "edges removed after each batch; 0: none is removed", unit="edges", source="the authors' code: 2", group="remedy", ge=0, le=200
    )

    def rewire(self, graph: Graph, generator: Generator) -> Graph:
        left = self.edges
        while left:
            after = self.one_batch(graph, min(left, self.batch))
            added = len(set(after.pairs) - set(graph.pairs))
            if not added:
                break
            graph, left = after, left - added
        return graph

    def one_batch(self, graph: Graph, edges: int) -> Graph:
        adjacent_NN, new = ones_NN(graph), []
        moves = [transport(adjacent_NN, *pair) for pair in graph.pairs]
        order = np.argsort([round(move.curvature / TIE) for move in moves], kind="stable")
        for e in order:
            pair = dearest(moves[e])
            if len(new) < edges and pair is not None and pair not in new:
                new.append(pair)
        old = [graph.pairs[e] for e in order[::-1][: self.removed] if moves[e].curvature > TIE]
        return graph.plus(new).minus(old) if new else graph


def dearest(move: Transport) -> tuple[int, int] | None:
    """The two nodes between which most is carried, amount times hops, the smaller first; None where nothing goes beyond one hop."""
    pair = first_best(move.plan_PQ * move.hops_PQ, (move.hops_PQ > 1.0) & (move.plan_PQ > TIE))
    if pair is None:
        return None
    p, q = int(move.from_P[pair[0]]), int(move.to_Q[pair[1]])
    return min(p, q), max(p, q)
