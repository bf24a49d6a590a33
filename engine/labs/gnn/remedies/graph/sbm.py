"""Communities: edges are likely inside a block and rare between blocks."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from engine.declare.knobs import knob
from engine.labs.gnn.datasets.graph import Graph
from engine.labs.gnn.remedies.graph import GraphChoice
from engine.labs.gnn.remedies.graph._networkx import graph_of, seed_of

if TYPE_CHECKING:
    from numpy.random import Generator


class StochasticBlockModel(GraphChoice):
    idea = (
        "The nodes belong to blocks. Each pair inside a block is joined with one probability, each pair of two blocks with a smaller one."
    )
    formula = r"P(u\sim v)=\begin{cases}p&\text{same block}\\q&\text{else}\end{cases}"
    paper = "Stochastic blockmodels: first steps (Holland, Laskey, Leinhardt, Social Networks 5, 1983)"
    cost = "Edges grow with the square of a block's size."
    fails = "With a small probability between blocks it may fall apart into components, between which no message can travel."
    reading = "public code"
    source = "stochastic_block_model in generators/community.py of networkx/networkx"

    blocks: int = knob(4, "blocks", unit="blocks", group="size", ge=1, le=32)
    size: int = knob(16, "nodes of each block", unit="nodes", group="size", ge=2, le=64)
    inside: float = knob(0.5, "probability of an edge between two nodes of a block", group="size", ge=0.0, le=1.0)
    between: float = knob(0.02, "probability of an edge between nodes of two blocks", group="size", ge=0.0, le=1.0)

    def build(self, generator: Generator) -> Graph:
        import networkx

        chances = [[self.inside if a == b else self.between for b in range(self.blocks)] for a in range(self.blocks)]
        graph = graph_of(networkx.stochastic_block_model([self.size] * self.blocks, chances, seed=seed_of(generator)))
        return replace(graph, label_N=np.repeat(np.arange(self.blocks), self.size))
