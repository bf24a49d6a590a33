"""What encodings ask of a graph: its eigenpairs, and its adjacency matrix as a tensor."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from engine.labs.gnn.datasets.eigenpairs import Eigenpairs
    from engine.labs.gnn.datasets.graph import Graph

EIGENVECTORS = "eigenvectors of the smallest eigenvalues, without the first of each component, which holds nothing but degrees"
LAPLACIAN = "I − D^-1/2 A D^-1/2 of the graph that the layers see"


def pairs_of(graph: Graph, count: int | None = None) -> Eigenpairs:
    """Of the normalised Laplacian."""
    from engine.labs.gnn.datasets.distances import components_N
    from engine.labs.gnn.datasets.eigenpairs import eigenpairs, laplacian_NN

    return eigenpairs(laplacian_NN(graph.adjacency_NN()), components_N(graph), count)


def adjacency_of(graph: Graph) -> Tensor:
    """(N, N) in the default format."""
    import torch

    return torch.from_numpy(graph.adjacency_NN()).to(torch.get_default_dtype())
