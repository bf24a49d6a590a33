"""Small graphs that tests of the topic gnn share."""

from __future__ import annotations

import networkx as nx
import numpy as np

from engine.labs.gnn.datasets.graph import Graph
from engine.labs.gnn.remedies.graph import GraphChoice


def of_networkx(made: nx.Graph) -> Graph:
    """Its nodes numbered anew in their order."""
    made = nx.convert_node_labels_to_integers(made)
    return Graph.of(made.number_of_nodes(), made.edges)


def to_networkx(graph: Graph) -> nx.Graph:
    made = nx.empty_graph(graph.nodes)
    made.add_edges_from(graph.pairs)
    return made


def built(name: str, seed: int = 0, **knobs: float) -> Graph:
    """The graph of an answer of the question `graph`."""
    return GraphChoice.answer(name)(**knobs).build(np.random.default_rng(seed))


def two_cliques(size: int) -> Graph:
    """Joined by one edge, which is the last of the first clique and the first of the second."""
    made = nx.disjoint_union(nx.complete_graph(size), nx.complete_graph(size))
    made.add_edge(size - 1, size)
    return of_networkx(made)
