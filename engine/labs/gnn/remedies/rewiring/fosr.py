"""First-order spectral rewiring: each edge is the one that widens the spectral gap most, to first order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from engine.declare.knobs import knob
from engine.labs.gnn.datasets.greedy import first_best
from engine.labs.gnn.remedies.rewiring import Rewiring

if TYPE_CHECKING:
    from numpy.random import Generator

    from engine.labs.gnn.datasets.graph import Graph


class FirstOrderSpectral(Rewiring):
    """Differs: of pairs that are equally good to rounding the first is taken, and where none is left the rewiring ends."""

    idea = (
        "The second eigenvector of the normalised adjacency matrix tends to have opposite signs on either side of the narrowest cut. "
        "Each new edge joins the two nodes whose entries have the most negative product; then the vector takes one more step of power "
        "iteration."
    )
    formula = (
        r"(u,v)=\arg\min_{uv\notin E}\frac{x_u\,x_v}{\sqrt{(1+d_u)(1+d_v)}},\quad "
        r"x\leftarrow\frac{\Pi x+D^{-1/2}AD^{-1/2}\,\Pi x}{\|\cdot\|},\quad \Pi=I-\tfrac{1}{2m}\sqrt d\sqrt d^{\,\top}"
    )
    paper = "FoSR (Karhadkar, Banerjee, Montúfar, ICLR 2023, arXiv 2210.11790)"
    cost = "One product with the adjacency matrix per power iteration, and one pass over an N by N matrix per edge."
    fails = (
        "With few power iterations and a small gap the vector is not yet the second eigenvector, and the edges land elsewhere. "
        "Where several eigenvectors share the second eigenvalue it follows a mixture of them."
    )
    reading = "authors' code"
    source = "preprocessing/fosr.py of kedar2/FoSR"

    edges: int = knob(4, "edges to add", unit="edges", group="remedy", ge=0, le=200)
    power_iterations: int = knob(
        500,
        "power iterations before the first edge",
        unit="iterations",
        source="the authors' code: 5 from its wrapper, 50 without",
        group="remedy",
        ge=1,
        le=10_000,
    )

    def rewire(self, graph: Graph, generator: Generator) -> Graph:
        start_N = generator.uniform(-1.0, 1.0, graph.nodes)
        return graph.plus(first_order_edges(graph, self.edges, self.power_iterations, start_N))


def first_order_edges(graph: Graph, edges: int, power_iterations: int, start_N: NDArray[np.float64]) -> list[tuple[int, int]]:
    """The pairs in the order in which they are added; fewer than `edges` where no pair without an edge is left."""
    state, open_NN, chosen = SecondVector(graph, start_N), graph.open_NN(), []
    for _ in range(power_iterations):
        state.iterate()
    while len(chosen) < edges:
        y_N = state.vector_N / np.sqrt(state.degree_N + 1.0)
        pair = first_best(-np.multiply.outer(y_N, y_N), open_NN)
        if pair is None:
            break
        state.add(*pair)
        state.iterate()
        open_NN[pair] = False
        chosen.append(pair)
    return chosen


class SecondVector:
    """A vector (N,) on its way to the second eigenvector of D^-1/2 A D^-1/2, while edges are added."""

    def __init__(self, graph: Graph, start_N: NDArray[np.float64]) -> None:
        self.vector_N, self.degree_N = start_N, graph.degree_N.astype(np.float64)
        self.ends_2E = graph.edges_E2.T

    def add(self, s: int, t: int) -> None:
        self.ends_2E = np.concatenate([self.ends_2E, [[s], [t]]], axis=1)
        self.degree_N[[s, t]] += 1.0

    def iterate(self) -> None:
        """One power iteration of I + D^-1/2 A D^-1/2, without the leading direction √d; a node without an edge keeps its entry."""
        root_N = np.sqrt(self.degree_N)
        x_N = self.vector_N - (self.vector_N @ root_N) / max(self.degree_N.sum(), 1.0) * root_N
        scaled_N = np.divide(x_N, root_N, out=np.zeros_like(x_N), where=root_N > 0)
        a_E, b_E = self.ends_2E
        passed_N = np.bincount(a_E, scaled_N[b_E], len(x_N)) + np.bincount(b_E, scaled_N[a_E], len(x_N))
        y_N = x_N + np.divide(passed_N, root_N, out=np.zeros_like(x_N), where=root_N > 0)
        self.vector_N = y_N / (np.linalg.norm(y_N) or 1.0)
