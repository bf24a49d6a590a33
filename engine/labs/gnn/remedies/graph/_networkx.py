"""From a graph of networkx to ours, and from a numpy generator to a seed that networkx takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.labs.gnn.datasets.graph import Graph

if TYPE_CHECKING:
    import networkx
    from numpy.random import Generator


def graph_of(made: networkx.Graph) -> Graph:
    """Its nodes must be numbered from 0."""
    return Graph.of(made.number_of_nodes(), made.edges)


def seed_of(generator: Generator) -> int:
    return int(generator.integers(2**31))
