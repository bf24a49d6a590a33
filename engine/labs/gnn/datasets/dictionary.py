"""Examples of the task NeighborsMatch: keys and values on the leaves of a tree, a question at its root.

Shapes: B examples, N nodes, K leaves, P permutations.
"""

from __future__ import annotations

import itertools
import math

import numpy as np
import torch
from numpy.typing import NDArray

from engine.labs.gnn.datasets.examples import Examples
from engine.labs.gnn.datasets.graph import Graph

MOST_NUMBERS = 50_000_000  # of the features of all examples


def neighbors_match(graph: Graph, root: int, permutations: int, generator: np.random.Generator) -> Examples:
    """For each of at most `permutations` orders of the values every key once, in the order of orders (Alon and Yahav 2021, arXiv
    2006.05205, section 4.1).

    Features are the key and then the value as one-hot vectors, 0 at inner nodes, and
    the root has no value.  ValueError, in one sentence, as `leaves_K`, and for more than MOST_NUMBERS numbers.
    """
    leaves = leaves_K(graph, root).tolist()
    keys = len(leaves)
    order_PK = permutations_PK(keys, permutations, generator)
    numbers = len(order_PK) * keys * graph.nodes * 2 * keys
    if numbers > MOST_NUMBERS:
        raise ValueError(
            f"{len(order_PK)} permutations of {keys} leaves make {numbers:,} numbers, and at most {MOST_NUMBERS:,} are allowed; give fewer "
            "permutations or a smaller tree."
        )
    x_PKND = torch.zeros(len(order_PK), keys, graph.nodes, 2 * keys)
    for k, leaf in enumerate(leaves):
        x_PKND[:, :, leaf, k] = 1.0
        x_PKND[torch.arange(len(order_PK)), :, leaf, keys + torch.from_numpy(order_PK[:, k])] = 1.0
        x_PKND[:, k, root, k] = 1.0
    answer_B = torch.from_numpy(order_PK).flatten()
    pairs = tuple((k, root, leaf) for k, leaf in enumerate(leaves))
    return Examples(graph, x_PKND.flatten(0, 1), answer_B, keys, torch.tensor(root), pairs)


def leaves_K(graph: Graph, root: int) -> NDArray[np.int64]:
    """(K,) the nodes of degree 1 but the root, in order.  ValueError, in one sentence, for fewer than two."""
    found_K = np.flatnonzero((graph.degree_N == 1) & (np.arange(graph.nodes) != root))
    if len(found_K) < 2:
        raise ValueError(f"leaves are needed to ask for, two at least, and the tree has {len(found_K)}; take back an edit.")
    return found_K


def permutations_PK(keys: int, most: int, generator: np.random.Generator) -> NDArray[np.int64]:
    """(P, K) all orders of 0 to K - 1 where there are at most `most`, else so many different ones at random."""
    if math.factorial(keys) <= most:
        return np.array(list(itertools.permutations(range(keys))), dtype=np.int64)
    chosen: dict[tuple[int, ...], None] = {}
    while len(chosen) < most:
        chosen[tuple(generator.permutation(keys).tolist())] = None
    return np.array(list(chosen), dtype=np.int64)
