"""Every node must say its class, or that of the graph it belongs to, as a data set has it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.declare.knobs import knob
from engine.labs.gnn.remedies.task._every_node import EveryNode

if TYPE_CHECKING:
    from numpy.random import Generator

    from engine.labs.gnn.datasets.examples import Examples
    from engine.labs.gnn.datasets.graph import Graph


class StoredLabels(EveryNode):
    """Differs: where a set asks for the class of a graph, the papers take the mean of all states and say it once; here every node must
    say it, and `accuracy` is a share of nodes."""

    idea = (
        "The nodes bear what the set says of them, kinds of atoms for example. A share of the graphs is trained on and the others are for "
        "validation; of a single graph whose nodes have classes of their own it is a share of the nodes."
    )
    formula = r"\hat c(v)=W h_v^{(L)}"
    paper = "TUDataset (Morris et al. 2020, arXiv 2007.08663)"
    cost = "One example, of which every node is read."
    fails = (
        "All graphs stand in one example: under `norm=batch` the features of those for validation, not their labels, take part in the "
        "means and variances of the training."
    )
    reading = "public code"
    source = "io/tu.py and datasets/lrgb.py of pyg-team/pytorch_geometric for what is asked for; that every node is asked is ours"

    trained: float = knob(0.8, "share of the graphs, or of the nodes of a single one, that are trained on", group="size", ge=0.01, le=0.99)

    def examples(self, graph: Graph, read: int, holds: int, generator: Generator) -> Examples:
        """ValueError, in one sentence, where the graphs have no labels, one class only, or lost nodes by hand."""
        from engine.labs.gnn.datasets.stored_examples import stored_labels

        return stored_labels(graph, (read, holds), self.trained, generator)
