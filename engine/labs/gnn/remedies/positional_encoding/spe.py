"""SPE: functions of the Laplacian in place of its eigenvectors, so that nothing turns where eigenvalues are near."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.declare.knobs import knob
from engine.labs.gnn.remedies.positional_encoding import PositionalEncoding
from engine.labs.gnn.remedies.positional_encoding._eigenvectors import adjacency_of, pairs_of

if TYPE_CHECKING:
    from engine.labs.gnn.datasets.eigenpairs import Eigenpairs
    from engine.labs.gnn.datasets.graph import Graph
    from engine.labs.gnn.models.encodings import Encoding
    from engine.labs.gnn.models.networks import MakeLayer

MOST_NODES = 512


class Spe(PositionalEncoding):
    """Differs: all functions of an eigenvalue share a hidden layer, which is smooth; the layers over the graph are two, without norm;
    the authors' code has a network of three layers for each function, and eight layers over the graph."""

    idea = (
        "Weights that are smooth functions of the eigenvalue put the eigenvectors together to matrices, one for each function, and a small "
        "graph network makes numbers for each node of these. A sign, and any other choice among the eigenvectors of one eigenvalue, "
        "cancels."
    )
    formula = r"p=\rho\bigl(V\,\mathrm{diag}(\phi_1(\lambda))V^{\top},\dots,V\,\mathrm{diag}(\phi_m(\lambda))V^{\top}\bigr)"
    paper = "Huang, Lu, Robinson, Yang, Zhang, Jegelka and Li, ICLR 2024, arXiv 2310.02579"
    cost = "A number for each pair of nodes and each function, and a pass of a small network over the graph for each node, in every step."
    fails = (
        "By its formula it says the same of nodes that a symmetry of the graph exchanges, on a ring of all of them. By its formula, too, a "
        "smooth function tells near eigenvalues little apart, and with fewer eigenvectors than nodes the gap behind the last one counts."
    )
    reading = "authors' code"
    source = "StableExpressivePE and GINPhi in src/stable_expressive_pe.py of Graph-COM/SPE, where ρ is called phi and φ psi"

    eigenvectors: int = knob(
        0,
        "eigenvectors of the smallest eigenvalues, the first one too; 0 is all of them",
        unit="eigenvectors",
        source="37 for ZINC, whose molecules have at most 37 atoms: configs/zinc of the authors' code",
        group="remedy",
        ge=0,
        le=MOST_NODES,
    )
    functions: int = knob(
        8, "functions of the eigenvalues", unit="functions", source="16 in configs/zinc of the authors' code", group="remedy", ge=1, le=64
    )
    channels: int = knob(8, "numbers that each node gets", unit="channels", group="remedy", ge=1, le=64)
    width: int = knob(16, "width of its own layers", unit="channels", group="remedy", ge=1, le=256)

    def build(self, graph: Graph, make_layer: MakeLayer) -> Encoding | None:
        from engine.labs.gnn.models.encodings import Stable

        if graph.nodes > MOST_NODES:
            raise ValueError(
                f"the graph has {graph.nodes:,} nodes, and positional_encoding=spe, which keeps numbers for each pair of them, is for at "
                f"most {MOST_NODES}; choose a smaller graph or another encoding."
            )
        given = self.choose(pairs_of(graph))
        return Stable(given, self.channels, self.functions, self.width, 2, adjacency_of(graph), make_layer)

    def choose(self, given: Eigenpairs) -> Eigenpairs:
        if self.eigenvectors > len(given.values_K):
            raise ValueError(
                f"{self.eigenvectors} eigenvectors were asked for, and a graph of {len(given.vectors_NK)} nodes has as many as nodes; give "
                "fewer eigenvectors, or 0 for all of them."
            )
        return given.take(slice(self.eigenvectors or None))
