"""Question `task`: what must the network say about the graph?  An answer is a file here, such as transfer.py.

Shapes: B examples, R nodes that are read, C classes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.declare.knobs import Choice

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.random import Generator
    from torch import Tensor

    from engine.labs.gnn.datasets.examples import Examples
    from engine.labs.gnn.datasets.graph import Graph


class Task(Choice):
    """What must the network say about the graph?  Here a class of each node that is read; `_numbers.py` says numbers."""

    def ends(self, graph: Graph, given: tuple[int, int], kept_M: Iterable[int]) -> tuple[int, int]:
        """-> (node that is read, node that knows) of the edited `graph`.

        `given`: those of the graph as generated; `kept_M`: its nodes that remain.  ValueError, in one sentence, where an edit took one of
        them away.
        """
        from engine.labs.gnn.datasets.ends import remaining_ends

        return remaining_ends(given, kept_M)

    def examples(self, graph: Graph, read: int, holds: int, generator: Generator) -> Examples:
        """-> everything that is trained on and validated with; `read` is the node that is read, `holds` the one that knows."""
        raise TypeError(f"{type(self).__name__} must define examples(graph, read, holds, generator)")

    def loss(self, said: Tensor, answer: Tensor) -> Tensor:
        """Mean cross-entropy in nats over what is asked for: said (B, C), answer (B,), or (B, R, C) and (B, R)."""
        from torch.nn.functional import cross_entropy

        return cross_entropy(said, answer) if said.dim() == 2 else cross_entropy(said.flatten(0, 1), answer.flatten())

    def scores(self, said: Tensor, answer: Tensor) -> dict[str, Tensor]:
        """How good answers are, by the name of the metric, of the same two as `loss`: here `accuracy`, the share of what is asked for that
        is right, and `chance`, what always saying its most frequent class would give."""
        asked = answer[answer >= 0]
        return {
            "accuracy": (said.argmax(-1) == answer)[answer >= 0].float().mean(),
            "chance": (asked == asked.mode().values).float().mean(),
        }
