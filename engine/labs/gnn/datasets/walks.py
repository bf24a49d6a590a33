"""How much of a message arrives: entries of powers of the matrix by which a graph convolution averages.

A stack of r linear layers carries (S^r)_vu of node u's features to node v (Di Giovanni et al. 2023, arXiv 2302.02941, theorem 3.2).

Shapes: N nodes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from engine.labs.gnn.datasets.graph import Graph

if TYPE_CHECKING:
    from scipy.sparse import csr_array


def convolution_NN(graph: Graph, loops: bool = True) -> csr_array:
    """(N, N) sparse S = D^-1/2 A D^-1/2, with `loops` of A + I and its degrees, as GCN has it (Kipf and Welling 2017, eq. 2).

    Without loops the row of a node that has no edge is 0.
    """
    from scipy.sparse import diags_array, eye_array

    adjacency_NN = graph.sparse_NN() + (eye_array(graph.nodes) if loops else 0.0 * eye_array(graph.nodes))
    degree_N = np.asarray(adjacency_NN.sum(axis=1))
    half_N = np.divide(1.0, np.sqrt(degree_N), out=np.zeros(graph.nodes), where=degree_N > 0)
    return (diags_array(half_N) @ adjacency_NN @ diags_array(half_N)).tocsr()


def walk(graph: Graph, knows: int, reads: int, steps: int, loops: bool = True, last: Graph | None = None) -> float:
    """(S^steps)_{reads, knows}, from the node that knows to the one that is read: exactly 0 where `steps` is smaller than the distance.

    The paper calls the node that is read the source, and the one that knows the target.  `last`: the graph of the last step, where it
    is another one.
    """
    matrix_NN = convolution_NN(graph, loops)
    share_N = np.zeros(graph.nodes)
    share_N[knows] = 1.0
    for step in range(steps):
        if last is not None and step == steps - 1:
            matrix_NN = convolution_NN(last, loops)
        share_N = matrix_NN @ share_N
    return float(share_N[reads])
