"""Graphs of a data set that lies in data/sets/: a TUDataset, or one of the Long Range Graph Benchmark."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.declare.knobs import knob
from engine.labs.gnn.remedies.graph import GraphChoice

if TYPE_CHECKING:
    from numpy.random import Generator

    from engine.labs.gnn.datasets.graph import Graph


class Stored(GraphChoice):
    """Differs: several graphs of a set are the parts of one graph, all of them in every step; directions and weights of edges and what
    edges bear are not read; and the benchmark's own division into training and test is not used."""

    idea = (
        "Real graphs instead of made ones: molecules, proteins, regions of pictures. Nothing is fetched: the files are those that the "
        "authors of the sets give away, in a folder of `data/sets/` with the name of the set."
    )
    formula = r"G=G_i\,\dot\cup\,\dots\,\dot\cup\,G_{i+k-1}"
    paper = "TUDataset (Morris et al. 2020, arXiv 2007.08663); Long Range Graph Benchmark (Dwivedi et al., NeurIPS 2022, arXiv 2206.08164)"
    cost = "Reading a set once for each training; of all chosen graphs together at most `2,000` nodes."
    fails = (
        "A few graphs in every step are no benchmark: scores of papers are from thousands of graphs, other features and tuned heads, "
        "and are not to be compared with these."
    )
    reading = "public code"
    source = "io/tu.py and datasets/lrgb.py of pyg-team/pytorch_geometric for the formats"

    set: str = knob(
        "MUTAG",
        "name of the set, which is that of its folder in data/sets/",
        group="size",
        pattern=r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}",
        form="a name of letters, digits, _ and -, such as MUTAG or peptides-func",
    )
    first: int = knob(0, "number of the first graph in the set, counted from 0", group="size", ge=0, le=10_000_000)
    graphs: int = knob(1, "how many graphs of the set, one after the other", unit="graphs", group="size", ge=1, le=1000)
    column: int = knob(0, "which of a graph's answers is asked for, where the set has several", group="size", ge=0, le=1000)

    def build(self, generator: Generator) -> Graph:
        """ValueError, in one sentence, where the set is not there or has no such graphs."""
        from engine.labs.gnn.datasets.stored import stored

        return stored(self.set, self.first, self.graphs, self.column)
