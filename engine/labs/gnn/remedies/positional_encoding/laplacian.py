"""Eigenvectors of the Laplacian as further features, with signs drawn anew in every step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.declare.knobs import knob
from engine.labs.gnn.remedies.positional_encoding import PositionalEncoding
from engine.labs.gnn.remedies.positional_encoding._eigenvectors import EIGENVECTORS, pairs_of

if TYPE_CHECKING:
    from torch import Tensor

    from engine.labs.gnn.datasets.eigenpairs import Eigenpairs
    from engine.labs.gnn.datasets.graph import Graph
    from engine.labs.gnn.models.encodings import Encoding
    from engine.labs.gnn.models.networks import MakeLayer


class Laplacian(PositionalEncoding):
    """Differs: on a graph of several components the eigenvectors are those of the components, each 0 elsewhere, and the first of every
    component is left out; in evaluation signs stay as they are, the first large entry positive."""

    idea = (
        "The eigenvectors of the smallest eigenvalues vary slowly along the graph, as waves do, and their entries say where a node is. "
        "An eigenvector has no sign of its own, so every training step draws one for each, unless it is told not to."
    )
    formula = r"p_v=(s_1V_{v1},\dots,s_kV_{vk}),\quad LV=V\Lambda,\quad L=I-D^{-1/2}AD^{-1/2},\quad s_i=\pm1"
    paper = "Dwivedi, Joshi, Luu, Laurent, Bengio and Bresson, JMLR 2023, arXiv 2003.00982"
    cost = "The eigenvectors once, and one more input of the first layer for each."
    fails = (
        "By its formula an eigenvector of an eigenvalue that comes twice is any vector of a plane, and no sign makes up for that; where "
        "two eigenvalues are near, a small change of the graph turns their vectors far."
    )
    reading = "public code"
    source = "definition in AddLaplacianEigenvectorPE, transforms/add_positional_encoding.py of pyg-team/pytorch_geometric"

    eigenvectors: int = knob(8, EIGENVECTORS, unit="eigenvectors", group="remedy", ge=1, le=64)
    flip_signs: bool = knob(
        True,
        "draw the sign of each eigenvector anew in every training step",
        source="in the transform that the public code is",
        group="remedy",
    )

    def build(self, graph: Graph, make_layer: MakeLayer) -> Encoding | None:
        from engine.labs.gnn.models.encodings import Eigenvectors

        return Eigenvectors(self.choose(pairs_of(graph, self.eigenvectors)))

    def choose(self, given: Eigenpairs) -> Eigenpairs:
        return given.later(self.eigenvectors)

    def signs(self, seed: int, step: int) -> Tensor | None:
        if not self.flip_signs:
            return None
        import torch

        from engine.labs.common.models.initialise import named_generator

        return 2.0 * torch.randint(2, (self.eigenvectors,), generator=named_generator(seed, f"signs/{step}")) - 1.0
