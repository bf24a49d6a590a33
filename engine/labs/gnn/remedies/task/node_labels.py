"""Every node must say to which block it belongs, from a noisy hint of its own and those of its neighbours."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.declare.knobs import knob
from engine.labs.gnn.remedies.task._every_node import EveryNode

if TYPE_CHECKING:
    from numpy.random import Generator

    from engine.labs.gnn.datasets.examples import Examples
    from engine.labs.gnn.datasets.graph import Graph


class NodeLabels(EveryNode):
    """Differs: each block has an axis of its own for its hint; the paper has two blocks whose hints point in opposite directions."""

    idea = (
        "Every node has a hint of its block, drowned in noise. Neighbours are mostly of the same block, so the mean over a neighbourhood "
        "says more than the node's own hint. Some nodes are trained on; the others, on the same graph, are for validation."
    )
    formula = r"x_v=s\,e_{c(v)}+z_v,\quad z_v\sim N(0,I),\qquad \hat c(v)=W h^{(L)}_v"
    paper = "Contextual Stochastic Block Models (Deshpande, Montanari, Mossel, Sen, NeurIPS 2018, arXiv 1807.09596)"
    cost = "One example, of which every node is read."
    fails = "By its formula a node can be told from its near surroundings, and nothing has to come from far away."
    reading = "paper"
    source = "definition of the model in section 1 of that paper"

    signal: float = knob(1.0, "length of the hint, in standard deviations of the noise", group="stressor", ge=0.0, le=100.0)
    trained: float = knob(0.2, "share of the nodes that are trained on", group="size", ge=0.01, le=0.99)

    def examples(self, graph: Graph, read: int, holds: int, generator: Generator) -> Examples:
        from engine.labs.gnn.datasets.hints import node_labels

        return node_labels(graph, (read, holds), self.signal, self.trained, generator)
