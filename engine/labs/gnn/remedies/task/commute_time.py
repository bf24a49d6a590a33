"""Two nodes bear a number each, and the network must say a function of both, which depends on how far apart they are in commute time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.declare.knobs import knob
from engine.labs.gnn.remedies.task._numbers import Numbers

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.random import Generator

    from engine.labs.gnn.datasets.examples import Examples
    from engine.labs.gnn.datasets.graph import Graph


class CommuteTime(Numbers):
    """Differs: the paper has thousands of molecules and a pair of atoms in each; here all examples of a run lie on one graph, with one
    pair, and differ by its two numbers alone. The usual number of layers is the distance of the pair; the paper's is half the diameter.
    """

    idea = (
        "Of all pairs of nodes one is chosen by its rank in commute time, how long a random walk takes there and back. Its two nodes bear "
        "a random number each, all others `0`, and the network must say a function that mixes the two, from the maximum over all nodes. "
        "The longer the commute, the less the two numbers have met in any node."
    )
    formula = r"y=\tanh(x_u+x_v),\quad x_u,x_v\sim U(0,1);\qquad \hat y=w^{\top}\max_v h_v^{(L)}+b"
    paper = "How does over-squashing affect the power of GNNs? (Di Giovanni, Rusch et al. 2023, arXiv 2306.03589)"
    cost = "The commute times of all pairs once, and all training examples in every step."
    fails = "The target is nearly a sum, of which a network that never mixes the two numbers can still learn a part."
    reading = "paper"
    source = "definition of the experiment on ZINC in that paper; the formula of the target was not checked against its text"

    quantile: float = knob(
        0.75, "rank of the pair's commute time among all pairs: 0 the shortest, 1 the longest", group="stressor", ge=0.0, le=1.0
    )
    examples_trained: int = knob(64, "examples that are trained on", unit="examples", group="size", ge=2, le=1024)
    examples_held_out: int = knob(64, "examples for validation, which are never trained on", unit="examples", group="size", ge=1, le=1024)

    def ends(self, graph: Graph, given: tuple[int, int], kept_M: Iterable[int]) -> tuple[int, int]:
        """The pair of the edited graph whose commute time has the rank asked for; ValueError for a graph without edges."""
        from engine.labs.gnn.datasets.commute import pair_at

        return pair_at(graph, self.quantile)

    def examples(self, graph: Graph, read: int, holds: int, generator: Generator) -> Examples:
        from engine.labs.gnn.datasets.commute import commute

        return commute(graph, (read, holds), self.examples_trained, self.examples_held_out, generator)
