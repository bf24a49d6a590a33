"""One node knows a class, another one must say it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.labs.gnn.remedies.task import Task

if TYPE_CHECKING:
    from numpy.random import Generator

    from engine.labs.gnn.datasets.examples import Examples
    from engine.labs.gnn.datasets.graph import Graph


class Transfer(Task):
    """Differs: the published {cite 5,000 training and 500 test samples | data/ring_transfer.py} are copies of five graphs; here each of
    the five is there once, and all five are in every step."""

    idea = (
        "A class is written on one node as a one-hot vector, every other node holds ones, and the class must be read off a node far "
        "away, whose own features are all `0`. There are only five different examples, one for each class, so training and validation data "
        "are the same: what is asked is whether the message arrives, and not whether anything generalises."
    )
    formula = r"x_v=\mathbf 1,\quad x_{\mathrm{read}}=0,\quad x_{\mathrm{knows}}=e_c,\qquad \hat c=W h^{(L)}_{\mathrm{read}}"
    paper = "Di Giovanni, Giusti, Barbero, Luise, Liò, Bronstein, ICML 2023, arXiv 2302.02941"
    cost = "Five examples in every step."
    fails = "It says nothing of graphs that were not trained on, for there are none."
    reading = "authors' code"
    source = "data/ring_transfer.py of lrnzgiusti/on-oversquashing"

    def examples(self, graph: Graph, read: int, holds: int, generator: Generator) -> Examples:
        from engine.labs.gnn.datasets.examples import transfer

        return transfer(graph, read, holds)
