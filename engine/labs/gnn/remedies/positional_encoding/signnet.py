"""A learned function of eigenvectors that is the same for a vector and its opposite."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.declare.knobs import knob
from engine.labs.gnn.remedies.positional_encoding import PositionalEncoding
from engine.labs.gnn.remedies.positional_encoding._eigenvectors import EIGENVECTORS, adjacency_of, pairs_of

if TYPE_CHECKING:
    from engine.labs.gnn.datasets.eigenpairs import Eigenpairs
    from engine.labs.gnn.datasets.graph import Graph
    from engine.labs.gnn.models.encodings import Encoding
    from engine.labs.gnn.models.networks import MakeLayer


class SignNet(PositionalEncoding):
    """Differs: two GIN layers without norm, and an MLP of one hidden layer, where the public code has more of both; as there, the
    eigenvalues are not looked at."""

    idea = "Every eigenvector goes through one network, and so does its opposite; the sum of the two is the same for both."
    formula = r"p=\rho\bigl([\phi(v_i)+\phi(-v_i)]_{i=1}^{k}\bigr)"
    paper = "Lim, Robinson, Zhao, Smidt, Sra, Maron and Jegelka, ICLR 2023, arXiv 2202.13013"
    cost = "Two passes of a small network over the graph for each eigenvector, in every step."
    fails = (
        "By its formula it knows of signs alone: another basis of the eigenvectors of one eigenvalue is another encoding, and near "
        "eigenvalues are as little told apart as with the eigenvectors themselves."
    )
    reading = "public code"
    source = "SignInvPe in src/sign_inv_pe.py of Graph-COM/SPE, after layers/deepsigns.py of cptq/SignNet-BasisNet"

    eigenvectors: int = knob(8, EIGENVECTORS, unit="eigenvectors", group="remedy", ge=1, le=64)
    channels: int = knob(8, "numbers that each node gets", unit="channels", group="remedy", ge=1, le=64)
    width: int = knob(16, "width of its own layers", unit="channels", group="remedy", ge=1, le=256)

    def build(self, graph: Graph, make_layer: MakeLayer) -> Encoding | None:
        from engine.labs.gnn.models.encodings import SignInvariant

        given = self.choose(pairs_of(graph, self.eigenvectors))
        return SignInvariant(given, self.channels, self.width, 2, adjacency_of(graph), make_layer)

    def choose(self, given: Eigenpairs) -> Eigenpairs:
        return given.later(self.eigenvectors)
