"""Stochastic discrete Ricci flow: edges are added beside the one whose curvature is most negative."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from engine.declare.knobs import knob
from engine.labs.gnn.datasets.curvature import balanced_forman_E, balanced_forman_of, ones_NN
from engine.labs.gnn.datasets.greedy import TIE
from engine.labs.gnn.remedies.rewiring import Rewiring

if TYPE_CHECKING:
    from numpy.random import Generator

    from engine.labs.gnn.datasets.graph import Graph


class StochasticRicciFlow(Rewiring):
    """Differs: built from the definition of the curvature; on a barbell the authors' routine leaves most edges without a value, and on a
    cycle it counts the edge itself as a way round it. Only edges are compared, never pairs without one. Where the edge with the most
    negative curvature has no pair left to join, the next one that has is taken, and of equal ones the first.
    """

    idea = (
        "The edge with the most negative balanced Forman curvature is a bottleneck. A pair from the neighbourhoods of its ends is joined, "
        "drawn at random: the more it raises the curvature of that edge, the more likely it is. Then the most positively curved edge may "
        "be removed."
    )
    formula = (
        r"(i,j)=\arg\min_{E}\mathrm{Ric},\quad P(k,l)\propto e^{\tau\,x_{kl}},\quad "
        r"x_{kl}=\mathrm{Ric}'(i,j)-\mathrm{Ric}(i,j),\ k\in N_i\cup\{i\},\ l\in N_j\cup\{j\}"
    )
    paper = "Understanding over-squashing and bottlenecks on graphs via curvature (Topping et al., ICLR 2022, arXiv 2111.14522)"
    cost = "The curvature of every edge, and of one edge for every pair of its neighbourhood, per edge that is added."
    fails = (
        "It repairs one edge at a time and looks two hops around it; a long path stays long. On a ring every edge has curvature 0, and "
        "nothing stands out. Later work finds that the gains of curvature rewiring on real graphs are "
        "{cite largely outliers of sweeps over hyper-parameters | Tori, Holst and Ginis 2024, arXiv 2407.09381}."
    )
    reading = "paper"
    source = "Algorithm 1, with the curvature of definition 1; compared with sdrf.py of jctops/understanding-oversquashing"

    edges: int = knob(4, "edges to add", unit="edges", group="remedy", ge=0, le=200)
    tau: float = knob(
        1.0,
        "temperature of the draw: the improvement is multiplied by this before the softmax, and 0 makes all pairs alike",
        source="the authors' code: 1",
        group="remedy",
        ge=0.0,
        le=1e4,
    )
    removal: float = knob(
        0.0,
        "after each edge the most curved one is removed where its curvature is above this; 0: none is removed",
        source="the authors' code: 0.5",
        group="remedy",
        ge=0.0,
        le=10.0,
    )

    def rewire(self, graph: Graph, generator: Generator) -> Graph:
        for _ in range(self.edges):
            pair = self.drawn_pair(graph, generator)
            if pair is None:
                break
            graph = graph.plus([pair])
            curvature_E = balanced_forman_E(graph)
            if 0.0 < self.removal < curvature_E.max():
                graph = graph.minus([graph.pairs[int((curvature_E >= curvature_E.max() - TIE).argmax())]])
        return graph

    def drawn_pair(self, graph: Graph, generator: Generator) -> tuple[int, int] | None:
        """The next edge; None where no edge has two ends whose neighbourhoods could still be joined."""
        adjacent_NN = ones_NN(graph)
        for e in np.argsort(np.round(balanced_forman_E(graph) / TIE), kind="stable"):
            i, j = graph.pairs[e]
            pairs = open_pairs(adjacent_NN, i, j)
            if pairs:
                gain = np.array([improved(adjacent_NN, i, j, *pair) for pair in pairs]) - balanced_forman_of(adjacent_NN, i, j)
                chance = np.exp(self.tau * (gain - gain.max()))
                return pairs[generator.choice(len(pairs), p=chance / chance.sum())]
        return None


def open_pairs(adjacent_NN: NDArray[np.float32], i: int, j: int) -> list[tuple[int, int]]:
    """The pairs (a, b) without an edge, a being i or a neighbour of it and b being j or one of its; each once, the smaller first."""
    around_i, around_j = (np.append(np.flatnonzero(adjacent_NN[end]), end) for end in (i, j))
    pairs = {(min(a, b), max(a, b)) for a in around_i.tolist() for b in around_j.tolist() if a != b and not adjacent_NN[a, b]}
    return sorted(pairs)


def improved(adjacent_NN: NDArray[np.float32], i: int, j: int, a: int, b: int) -> float:
    """The curvature of i-j if a-b were an edge."""
    adjacent_NN[a, b] = adjacent_NN[b, a] = 1.0
    value = balanced_forman_of(adjacent_NN, i, j)
    adjacent_NN[a, b] = adjacent_NN[b, a] = 0.0
    return value
