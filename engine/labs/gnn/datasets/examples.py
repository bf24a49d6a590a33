"""What a network is trained on: features on the nodes of graphs, the node that is read, and its answer."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from engine.labs.gnn.datasets.graph import Graph

CLASSES = 5  # of the transfer task, as published


@dataclass(frozen=True)
class Examples:
    """B examples.

    graph      the graph that all of them share
    x_BND      (B, N, D) features
    answer_B   (B,) the class of each
    classes    how many there are
    read_B     (B,) the node whose state is read
    holds_B    (B,) the node that holds what must be known there
    """

    graph: Graph
    x_BND: Tensor
    answer_B: Tensor
    classes: int
    read_B: Tensor
    holds_B: Tensor


def transfer(graph: Graph, read: int, holds: int, classes: int = CLASSES) -> Examples:
    """The graph-transfer task (Di Giovanni et al. 2023, arXiv 2302.02941, section 5; data/ring_transfer.py of the authors' code).

    One example per class: every feature is 1, but the node `read` has 0 everywhere and the node `holds` the class as one-hot; the class
    must be said at `read`, which the paper calls the source, and `holds` the target.  The published 5,000 samples are copies of these
    five, and their test set is the same five again.
    """
    x_BND = torch.ones(classes, graph.nodes, classes)
    x_BND[:, read] = 0.0
    x_BND[:, holds] = torch.eye(classes)
    read_B, holds_B = (torch.full((classes,), node, dtype=torch.long) for node in (read, holds))
    return Examples(graph, x_BND, torch.arange(classes), classes, read_B, holds_B)


def with_new_nodes(x_BND: Tensor, nodes: int) -> Tensor:
    """The features for `nodes` nodes: those that a rewiring brought along come last and have 0 everywhere."""
    more = nodes - x_BND.shape[1]
    return torch.cat([x_BND, x_BND.new_zeros(len(x_BND), more, x_BND.shape[2])], dim=1) if more else x_BND
