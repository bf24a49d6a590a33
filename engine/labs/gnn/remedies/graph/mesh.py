"""A triangle mesh around a cylinder, fine near it and coarse far away."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.declare.knobs import knob
from engine.labs.gnn.datasets.mesh import mesh
from engine.labs.gnn.remedies.graph import GraphChoice

if TYPE_CHECKING:
    from numpy.random import Generator

    from engine.labs.gnn.datasets.graph import Graph


class Mesh(GraphChoice):
    """Differs: the paper's meshes come from a flow solver, and their velocities from its solution of the Navier–Stokes equations; here
    points are drawn, and each has the velocity of the ideal flow, which is known in closed form.
    """

    idea = (
        "Points around a cylinder in a stream, close together near it, are joined by the Delaunay triangulation, as a solver of "
        "fluid flow would have them. Each point knows its place and how fast the ideal flow passes it."
    )
    formula = r"u-iv=1-\frac{1}{z^2},\quad z=x+iy,\ |z|\ge1"
    paper = "PIORF (Yu et al., ICLR 2025, arXiv 2504.04052), whose meshes are those of Pfaff et al. (ICLR 2021, arXiv 2010.03409)"
    cost = r"Edges in proportion to nodes: by Euler's formula fewer than `3n`."
    fails = (
        "The ideal flow has no wake, and nothing of it changes with time. "
        "The finer the mesh near the cylinder, the more edges a message needs to get past it."
    )
    reading = "authors' code"
    source = "model_cylinder.py of yuyudeep/PIORF-main, where edges are those of the triangles and nodes bear velocities"

    nodes: int = knob(150, "nodes", unit="nodes", group="size", ge=60, le=1000)
    refinement: float = knob(
        4.0, "how many times farther apart points lie two radii off the cylinder than on it", group="size", ge=1.0, le=8.0
    )

    def build(self, generator: Generator) -> Graph:
        return mesh(self.nodes, self.refinement, generator)
