"""Graph diffusion: the edges are those over which a random walk that keeps coming home spreads most."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from engine.declare.knobs import knob
from engine.labs.gnn.datasets.greedy import TIE
from engine.labs.gnn.datasets.walks import convolution_NN
from engine.labs.gnn.remedies.rewiring import Rewiring

if TYPE_CHECKING:
    from numpy.random import Generator

    from engine.labs.gnn.datasets.graph import Graph


class Diffusion(Rewiring):
    """Differs: the paper and PyG's GDC divide the sparse matrix by the sums of its columns, after which two ends may hear each other with
    different weights. Here the matrix before that is taken, which is symmetric, and the layers divide by degrees themselves. Layers give
    every node a self loop of weight 1, so an entry is divided by the root of the two own entries of its ends: the ratio of neighbour to
    self stays. With top_k a pair is kept where either end keeps it, and an own entry takes no place among the k.
    """

    idea = (
        "A random walk goes home with a fixed chance at every step. How often it stands on each node, seen from each node, is a new "
        "matrix of weights; its large entries become the edges. It makes a weighted graph: edges may go, new ones may come, and all "
        "have a weight below that of a node's own state."
    )
    formula = (
        r"P=\alpha\,(I-(1-\alpha)\,S)^{-1},\quad E'=\{uv: P_{uv}\ge\varepsilon\},\quad "
        r"w_{uv}=P_{uv}/\sqrt{P_{uu}P_{vv}},\quad S=\tilde D^{-1/2}(A+I)\tilde D^{-1/2}"
    )
    paper = "Diffusion Improves Graph Learning (Gasteiger, Weißenberger, Günnemann, NeurIPS 2019, arXiv 1911.05485)"
    cost = "One inverse of an N by N matrix at the start; the layers then see as many edges as pass the threshold."
    fails = (
        "By its formula an entry falls with every hop, so that it joins what is near already, and in a graph of several components nothing "
        "is joined across. Layers gat and gated_gcn, and DRew, ignore weights: for them only the pattern changes. Its weights make "
        "all resistances larger, so they are read against random edges of the same weights and not against the graph before."
    )
    reading = "paper"
    source = "eq. 1 with the coefficients of personalised PageRank, and the sparsification of section 3; compared with PyG's transforms.GDC"

    alpha: float = knob(
        0.15,
        "chance that the walk goes home at a step",
        source="PyG's GDC; the code of FoSR has 0.1",
        group="remedy",
        ge=0.01,
        le=0.99,
    )
    sparsify: Literal["threshold", "top_k"] = knob(
        "threshold", "which entries become edges: all above a threshold, or each node's largest", group="remedy"
    )
    threshold: float = knob(0.05, "smallest entry that becomes an edge", source="the code of FoSR", group="remedy", ge=1e-6, le=1.0)
    top_k: int = knob(4, "with sparsify=top_k: how many others each node keeps", unit="edges", group="remedy", ge=0, le=64)

    def rewire(self, graph: Graph, generator: Generator) -> Graph:
        walk_NN = personal_rank_NN(graph, self.alpha)
        keep_NN = walk_NN >= self.threshold * (1.0 - TIE) if self.sparsify == "threshold" else largest_NN(walk_NN, self.top_k)
        edges_E2 = np.argwhere(np.triu(keep_NN | keep_NN.T, 1)).astype(np.int64)
        a_E, b_E = edges_E2.T
        own_N = np.diag(walk_NN)
        given = set(graph.pairs)
        added_E = np.array([pair not in given for pair in map(tuple, edges_E2.tolist())], dtype=bool)
        return replace(graph, edges_E2=edges_E2, added_E=added_E, weight_E=walk_NN[a_E, b_E] / np.sqrt(own_N[a_E] * own_N[b_E]))


def personal_rank_NN(graph: Graph, alpha: float) -> NDArray[np.float64]:
    """(N, N) α(I − (1 − α)S)⁻¹, symmetric, its entries from 0 (no path) to 1 (the node itself, without an edge)."""
    out_NN = alpha * np.linalg.inv(np.eye(graph.nodes) - (1.0 - alpha) * convolution_NN(graph).toarray())
    return 0.5 * (out_NN + out_NN.T)  # equal but for rounding


def largest_NN(walk_NN: NDArray[np.float64], k: int) -> NDArray[np.bool_]:
    """(N, N) True at the k largest positive entries of each row, its own not among them; of equal ones the first."""
    others_NN = np.where(np.eye(len(walk_NN), dtype=bool), 0.0, walk_NN)
    order_Nk = np.argsort(-np.round(others_NN / TIE), axis=1, kind="stable")[:, :k]
    out_NN = np.zeros(walk_NN.shape, dtype=bool)
    np.put_along_axis(out_NN, order_Nk, True, axis=1)
    return out_NN & (others_NN > TIE)
