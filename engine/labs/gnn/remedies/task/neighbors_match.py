"""The root of a tree must say what stands on the leaf that it is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.declare.knobs import knob
from engine.labs.gnn.remedies.task import Task

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.random import Generator

    from engine.labs.gnn.datasets.examples import Examples
    from engine.labs.gnn.datasets.graph import Graph


class NeighborsMatch(Task):
    """Differs: edges lead both ways, where the authors' lead from the leaves to the root; keys and values are one-hot vectors, which the
    first layer maps, where theirs are learned embeddings; and the usual number of layers is the depth of the tree, theirs is one more.
    """

    idea = (
        "Each leaf of a tree bears a key and a value; which value stands at which key is another permutation in every example. The root "
        "bears one of the keys and must say the value at it. Before the question meets the answers, what all leaves say must have gone "
        "through the few nodes below the root: not one message is far, but there are too many of them."
    )
    formula = r"x_{\mathrm{leaf}_k}=(e_k,e_{\pi(k)}),\quad x_{\mathrm{root}}=(e_q,0),\qquad \hat\pi(q)=W h^{(L)}_{\mathrm{root}}"
    paper = "On the Bottleneck of Graph Neural Networks and its Practical Implications (Alon and Yahav, ICLR 2021, arXiv 2006.05205)"
    cost = "As many examples as permutations times leaves, all of them in every step."
    fails = "What is read is the training accuracy, as in the paper: training and validation examples are the same."
    reading = "authors' code"
    source = "tasks/dictionary_lookup.py of tech-srl/bottleneck"

    permutations: int = knob(
        100,
        "different orders of the values; all of them where there are no more",
        unit="permutations",
        source="the authors' code: up to 1,000",
        group="size",
        ge=1,
        le=1000,
    )

    def ends(self, graph: Graph, given: tuple[int, int], kept_M: Iterable[int]) -> tuple[int, int]:
        """The root and the last leaf that remains; ValueError where an edit took the root away."""
        from engine.labs.gnn.datasets.dictionary import leaves_K

        root = {int(node): m for m, node in enumerate(kept_M)}.get(given[0])
        if root is None:
            raise ValueError(f"~{given[0]} removes the root, which is read and without which there is no task; keep it.")
        return root, int(leaves_K(graph, root)[-1])

    def examples(self, graph: Graph, read: int, holds: int, generator: Generator) -> Examples:
        """ValueError, in one sentence, where the graph has fewer than two leaves or the examples are too many."""
        from engine.labs.gnn.datasets.dictionary import neighbors_match

        return neighbors_match(graph, read, self.permutations, generator)
