"""Probe `graph_drawing`: the graph itself, so that a chart can draw it, and what theory says of how far a message reaches on it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
import torch

from engine.labs.capabilities import GraphLab
from engine.labs.probe import Metric, Probe, Reading, Step

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from engine.labs.gnn.datasets.graph import Graph

MOST_NODES, MOST_EDGES = 300, 3000  # of a graph that is drawn


class GraphDrawing(Probe):
    """Places, edges and roles of the first example's graph, at the first and the last step; a graph of more than 300 nodes or 3,000 edges
    is not drawn.

    `theory/by_distance` is (Sᴸ)_vu, the weight of all walks of L steps from u to the node v that is read, loops counted, in GCN's operator
    S of the graph that the layers see; L is the number of layers, and the mean is over the nodes u at each distance before any rewiring.
    Up to a factor for weights and nonlinearity it bounds the Jacobian (Di Giovanni et al. 2023, arXiv 2302.02941, theorem 3.2)."""

    price = "cheap"
    needs = "graph"
    metrics = (
        Metric("graph/place", "where each node is drawn: x and y from 0 to 1; shape (nodes, 2)", kind="vector"),
        Metric("graph/ends", "the two nodes of each edge that the layers see; shape (edges, 2)", kind="vector"),
        Metric("graph/added", "1 for an edge that the rewiring put in", kind="vector"),
        Metric("graph/roles", "1 for the node that is read, 2 for the one that it must hear of, 0 for others", kind="vector"),
        Metric("graph/distance_before", "edges between the two before any rewiring", unit="edges", low=0.0),
        Metric("theory/by_distance", "mean weight of all walks as long as the network is deep, by distance before rewiring", kind="vector"),
    )

    def due(self, step: int, steps: int) -> bool:
        return step in (0, steps - 1)

    def after(self, step: Step[GraphLab]) -> Iterable[Reading]:
        from engine.labs.gnn.datasets.distances import distances_NN
        from engine.labs.gnn.probes.jacobian import by_distance

        example, read, holds = step.lab.pairs()[0]
        before, graph = step.lab.graphs(rewired=False)[example], step.lab.graphs(rewired=True)[example]
        hops_N = distances_NN(before)[read]
        yield Reading("graph/distance_before", float(hops_N[holds]))
        yield Reading("theory/by_distance", by_distance([(walks_N(graph, read, step.lab.depth())[: before.nodes], hops_N)]))
        if graph.nodes <= MOST_NODES and len(graph.edges_E2) <= MOST_EDGES:
            yield from drawing(graph, before, read, holds)


def drawing(graph: Graph, before: Graph, read: int, holds: int) -> Iterable[Reading]:
    """The readings from which a chart draws `graph`; where a rewiring brought nodes along, all are placed anew."""
    from engine.labs.gnn.datasets.layout import places_N2

    roles_N = np.zeros(graph.nodes)
    roles_N[[holds, read]] = 2.0, 1.0
    yield Reading("graph/place", torch.from_numpy(places_N2(before if before.nodes == graph.nodes else graph).round(4)))
    yield Reading("graph/roles", roles_N.tolist())
    if len(graph.edges_E2):
        yield Reading("graph/ends", torch.from_numpy(graph.edges_E2.astype(float)))
        yield Reading("graph/added", graph.added_E.astype(float).tolist())


def walks_N(graph: Graph, read: int, steps: int) -> NDArray[np.float64]:
    """(N,) row `read` of S^steps, exactly 0 for nodes farther away than `steps`."""
    from engine.labs.gnn.datasets.walks import convolution_NN

    matrix_NN, share_N = convolution_NN(graph).T.tocsr(), np.zeros(graph.nodes)
    share_N[read] = 1.0
    for _ in range(steps):
        share_N = matrix_NN @ share_N
    return share_N
