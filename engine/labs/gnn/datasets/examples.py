"""What a network is trained on: features on the nodes of a graph, the nodes that are read, and what must be said there."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.labs.gnn.datasets.graph import Graph

CLASSES = 5  # of the transfer task, as published
UNASKED = -100  # in place of a class: this node is not asked for; what cross_entropy of torch leaves out


@dataclass(frozen=True)
class Examples:
    """B examples on one graph.

    graph    the graph that all of them share
    x_BND    (B, N, D) features
    answer   what must be said: (B,) where one state is read, (B, R) where R are; classes (int64), UNASKED where a node is not, or numbers
    answers  how many numbers the network says of each node that is read: one for each class, or one
    read     () the node whose state is read, or (R,) several, in every example; None: the maximum over all nodes is
    pairs    (example, node that is read, node that holds what must be known there), of examples that are trained on
    split    how many examples are trained on, the first ones; the others are for validation.  None: all are for both
    """

    graph: Graph
    x_BND: Tensor
    answer: Tensor
    answers: int
    read: Tensor | None
    pairs: tuple[tuple[int, int, int], ...]
    split: int | None = None

    def batch(self, validation: bool) -> dict[str, Tensor]:
        """`x` (B, N, D) and `answer` of the examples for training or for validation."""
        if self.split is None:
            return {"x": self.x_BND, "answer": self.answer}
        part = slice(self.split, None) if validation else slice(self.split)
        return {"x": self.x_BND[part], "answer": self.answer[part]}

    def with_nodes(self, nodes: int) -> Examples:
        """The same for `nodes` nodes: those that a rewiring brought along come last and have 0 everywhere."""
        more = nodes - self.x_BND.shape[1]
        x_BND = torch.nn.functional.pad(self.x_BND, (0, 0, 0, more)) if more else self.x_BND
        return replace(self, x_BND=x_BND)


def standardised(answer: NDArray[np.float64], trained: int) -> Tensor:
    """Numbers that must be said, less their mean over the first `trained` examples and over their standard deviation there; where all
    are equal they become 0."""
    mean, deviation = float(answer[:trained].mean()), float(answer[:trained].std())
    return torch.from_numpy((answer - mean) / (deviation or 1.0)).to(torch.get_default_dtype())


def transfer(graph: Graph, read: int, holds: int, classes: int = CLASSES) -> Examples:
    """The graph-transfer task (Di Giovanni et al. 2023, arXiv 2302.02941, section 5; data/ring_transfer.py of the authors' code).

    One example per class: every feature is 1, but the node `read` has 0 everywhere and the node `holds` the class as one-hot; the class
    must be said at `read`, which the paper calls the source, and `holds` the target.  The published 5,000 samples are copies of these
    five, and their test set is the same five again.
    """
    x_BND = torch.ones(classes, graph.nodes, classes)
    x_BND[:, read] = 0.0
    x_BND[:, holds] = torch.eye(classes)
    pairs = tuple((example, read, holds) for example in range(classes))
    return Examples(graph, x_BND, torch.arange(classes), classes, torch.tensor(read), pairs)
