"""Probe `graph_facts`: what is known of the graph without any network."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from engine.labs.capabilities import GraphLab
from engine.labs.probe import Metric, Probe, Reading, Step

if TYPE_CHECKING:
    from engine.labs.gnn.datasets.graph import Graph

DRAWS = 99  # random rewirings that the chosen one is held against
MOST_NODES = 300  # of a graph whose random rewirings are drawn
MOST_OLLIVIER = 60  # edges: each costs a transport problem


class GraphFacts(Probe):
    """Of the graph that the layers see, at the first and the last step: they never change, and stand beside what the network does.

    Total effective resistance is infinite for a graph of several components, and counts the pairs of nodes that the data has: one that a
    rewiring brings along is no end of a pair.  An edge of weight w has 1/w ohm.  `resistance/random` holds it for 99 graphs that were
    given as many edges at random as the rewiring added, of the same weights, from the same graph; only for graphs of up to 300 nodes.
    With rewiring=fully_adjacent all of this is of the graph of the layers before the last one.  `theory/walk` is
    (Sʳ)_vu, the weight of all walks of r steps between the node that is read and the one that knows, loops counted, in GCN's operator S
    of the graph that the layers see; r is their distance before any rewiring, which is the usual number of layers. For a linear
    network of r layers whose weights are 1 it is the Jacobian; up to a factor for weights and nonlinearity it bounds that of others
    (Di Giovanni et al. 2023, arXiv 2302.02941, theorem 3.2)."""

    price = "cheap"
    needs = "graph"
    metrics = (
        Metric("graph/nodes", "nodes of the graph", whole=True, low=0.0),
        Metric("graph/edges", "edges that the layers see", whole=True, low=0.0),
        Metric("graph/edges_added", "edges that the rewiring put in", whole=True, low=0.0),
        Metric("graph/layers", "layers of the network", whole=True, low=0.0),
        Metric("graph/distance", "edges between the node that is read and the one that knows, after rewiring", whole=True, low=0.0),
        Metric("resistance/total", "sum of the effective resistances of all pairs of nodes of the data", unit="ohm", low=0.0),
        Metric("resistance/before", "the same before the rewiring", unit="ohm", low=0.0),
        Metric("resistance/random", "the same for graphs with as many random edges instead", unit="ohm", kind="vector"),
        Metric("resistance/target", "effective resistance between the node that is read and the one that knows", unit="ohm", low=0.0),
        Metric("commute_time/target", "expected steps of a random walk from one to the other and back", unit="steps", low=0.0),
        Metric("spectral_gap", "second eigenvalue of the normalised Laplacian", low=0.0, high=2.0),
        Metric("cheeger/lower", "lower bound of the conductance of the narrowest cut", low=0.0),
        Metric("cheeger/upper", "upper bound of the same", low=0.0),
        Metric("curvature/balanced_forman", "balanced Forman curvature of each edge", kind="vector"),
        Metric("curvature/augmented_forman", "augmented Forman curvature of each edge", kind="vector"),
        Metric("curvature/ollivier", "Ollivier curvature of each edge, for at most 60 edges", kind="vector"),
        Metric(
            "theory/walk",
            "weight of all walks between the two nodes as long as their distance before rewiring",
            low=0.0,
            high=1.0,
        ),
    )

    def due(self, step: int, steps: int) -> bool:
        return step in (0, steps - 1)

    def after(self, step: Step[GraphLab]) -> Iterable[Reading]:
        before, graph = step.lab.graphs(rewired=False)[0], step.lab.graphs(rewired=True)[0]
        _, read, holds = step.lab.pairs()[0]
        yield Reading("graph/layers", float(step.lab.depth()))
        yield from facts(graph, before, read, holds, step.lab.layer_graphs(graph)[-1])


def facts(graph: Graph, before: Graph, read: int, holds: int, last: Graph | None = None) -> Iterable[Reading]:
    """The readings of one graph, rewired from `before`; `read` and `holds` are nodes, and `last` is what the last layer sees."""
    from engine.labs.gnn.datasets.control import control_totals
    from engine.labs.gnn.datasets.curvature import augmented_forman_E, balanced_forman_E, ollivier_E
    from engine.labs.gnn.datasets.distances import distances_NN
    from engine.labs.gnn.datasets.resistance import commute_times_NN, resistances_NN, total_resistance
    from engine.labs.gnn.datasets.spectrum import cheeger_bounds, spectral_gap
    from engine.labs.gnn.datasets.walks import walk

    added = int(graph.added_E.sum())
    gap = spectral_gap(graph)
    lower, upper = cheeger_bounds(gap)
    yield Reading("graph/distance", float(distances_NN(graph)[read, holds]))
    hops = float(distances_NN(before)[read, holds])
    yield Reading("graph/nodes", float(graph.nodes))
    yield Reading("graph/edges", float(len(graph.edges_E2)))
    yield Reading("graph/edges_added", float(added))
    yield Reading("resistance/total", total_resistance(graph, before.nodes))
    yield Reading("resistance/before", total_resistance(before))
    if added and before.nodes <= MOST_NODES:
        draws = control_totals(before, graph, DRAWS, np.random.default_rng(added))
        if len(draws):
            yield Reading("resistance/random", draws.tolist())
    yield Reading("resistance/target", float(resistances_NN(graph)[read, holds]))
    yield Reading("commute_time/target", float(commute_times_NN(graph)[read, holds]))
    yield Reading("spectral_gap", gap)
    yield Reading("cheeger/lower", lower)
    yield Reading("cheeger/upper", upper)
    if len(graph.edges_E2):
        yield Reading("curvature/balanced_forman", balanced_forman_E(graph).tolist())
        yield Reading("curvature/augmented_forman", augmented_forman_E(graph).tolist())
        if len(graph.edges_E2) <= MOST_OLLIVIER:
            yield Reading("curvature/ollivier", ollivier_E(graph, graph.pairs).tolist())
    yield Reading("theory/walk", walk(graph, holds, read, int(hops), last=last) if np.isfinite(hops) else 0.0)
