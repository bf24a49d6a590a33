"""The solution of Poisson's equation must be said at every node of a mesh."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.declare.knobs import knob
from engine.labs.gnn.remedies.task._numbers import Numbers

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.random import Generator

    from engine.labs.gnn.datasets.examples import Examples
    from engine.labs.gnn.datasets.graph import Graph


class Poisson(Numbers):
    """Differs: the paper predicts the next step of a flow from the last one; here the equation is linear, and its solution known."""

    idea = (
        "Some nodes of the mesh are sources or sinks, and the solution of Poisson's equation must be said at every node: as when heat "
        "flows from the sources through the mesh to the cylinder, which is kept at `0`. Every source is felt everywhere, and that "
        "of nodes which no message reaches cannot be known. Examples differ by their sources alone; some are held out."
    )
    formula = r"-\Delta u=f,\quad u=0\ \text{on the cylinder},\quad \partial_n u=0\ \text{on the frame};\qquad \hat u_v=w^{\top}h_v^{(L)}+b"
    paper = "Finite elements of first order (Strang and Fix 1973, An Analysis of the Finite Element Method); as a task for meshes our own"
    cost = "One sparse system of equations for all examples, and all training examples in every step."
    fails = "All examples lie on one mesh, so it says nothing of meshes that were not trained on."
    reading = "paper"
    source = "definition of the stiffness matrix in section 1.8 of that book"

    examples_trained: int = knob(32, "examples that are trained on", unit="examples", group="size", ge=1, le=256)
    examples_held_out: int = knob(32, "examples for validation, which are never trained on", unit="examples", group="size", ge=1, le=256)
    sources: int = knob(8, "nodes of an example that are sources or sinks", unit="nodes", group="size", ge=1, le=1000)

    def ends(self, graph: Graph, given: tuple[int, int], kept_M: Iterable[int]) -> tuple[int, int]:
        """Two nodes of the edited graph that are farthest apart: every one is read, and every one may be a source."""
        from engine.labs.gnn.datasets.distances import farthest

        return farthest(graph)

    def examples(self, graph: Graph, read: int, holds: int, generator: Generator) -> Examples:
        """Features: the load of the node, whether the solution is held at 0 there, its place and its velocity, each over its
        root mean square; the answer is less its mean and over its standard deviation of the training examples."""
        from engine.labs.gnn.datasets.poisson_examples import poisson

        return poisson(graph, (read, holds), self.examples_trained, self.examples_held_out, self.sources, generator)
