"""A random graph like a molecule: a tree of few branches with some rings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.declare.knobs import knob
from engine.labs.gnn.remedies.graph import GraphChoice

if TYPE_CHECKING:
    from numpy.random import Generator

    from engine.labs.gnn.datasets.graph import Graph


class Molecules(GraphChoice):
    """Differs: the paper takes molecules of a data set, ZINC; here each seed draws one at random, and it means no substance."""

    idea = (
        "Atoms with at most `4` bonds form a chain with branches, some of which are closed to rings of `5` or `6` atoms, as in small "
        "organic molecules. Rings give two ways round, chains one, so distance and commute time are not the same."
    )
    formula = r"d_v\le4,\quad m=n-1+\text{rings}"
    paper = "After the molecules in How does over-squashing affect the power of GNNs? (Di Giovanni, Rusch et al. 2023, arXiv 2306.03589)"
    cost = "As many edges as atoms and rings together, less one."
    fails = (
        "Chemistry is not in it: atoms and bonds are all alike. One run has one molecule, so a statement about molecules needs many seeds."
    )
    reading = "paper"
    source = "definition of a tree of bounded degree with rings closed; our own generator, for no data set is downloaded"

    atoms: int = knob(20, "nodes", unit="nodes", group="size", ge=6, le=200)
    rings: int = knob(2, "rings of five or six atoms, or as many as there is room for", unit="rings", group="size", ge=0, le=20)

    def build(self, generator: Generator) -> Graph:
        from engine.labs.gnn.datasets.molecule import molecule

        return molecule(self.atoms, self.rings, generator)
