"""Question `positional_encoding`: how does a node know where in the graph it is?  An answer is a file here, such as spe.py.

What an answer gives is set beside the features of each node, and the first linear map of the network weighs both; that is the sum of a
linear map of each, as in the authors' code of SPE (pe_aggregate = add in src/model.py of Graph-COM/SPE).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.declare.knobs import Choice

if TYPE_CHECKING:
    from torch import Tensor

    from engine.labs.gnn.datasets.eigenpairs import Eigenpairs
    from engine.labs.gnn.datasets.graph import Graph
    from engine.labs.gnn.models.encodings import Encoding
    from engine.labs.gnn.models.networks import MakeLayer


class PositionalEncoding(Choice):
    """How does a node know where in the graph it is?"""

    def build(self, graph: Graph, make_layer: MakeLayer) -> Encoding | None:
        """-> what is set beside the features, None for nothing; `graph`: what the layers see; `make_layer` makes GIN layers."""
        raise TypeError(f"{type(self).__name__} must define build(graph, make_layer)")

    def choose(self, given: Eigenpairs) -> Eigenpairs:
        """Of all eigenpairs, those that the encoding takes.  ValueError, in one sentence, where there are too few."""
        return given

    def signs(self, seed: int, step: int) -> Tensor | None:
        """The sign of each eigenvector in the training pass of this step, (K,) of ±1; None where signs are left alone."""
        return None
