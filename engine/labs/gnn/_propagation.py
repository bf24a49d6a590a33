"""The ways to compute what a layer makes of its neighbours, and which of them `propagation=auto` takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.labs.gnn.models.layers import Layer

SUMS = ("gcn", "gin", "sage")  # layers that add up neighbours with weights that are known before the states are
DELAYED = ("drew", "nu_drew")  # message passing with matrices of its own
LARGEST_DENSE = 512  # nodes


def way(propagation: str, layer: str, message_passing: str, nodes: int) -> str:
    """dense, pyg or csr: what was asked for; of auto, csr for more than 512 nodes where it can be, and dense otherwise."""
    if propagation != "auto":
        return propagation
    return "csr" if nodes > LARGEST_DENSE and layer in SUMS and message_passing not in DELAYED else "dense"


def layers(chosen: str) -> dict[str, type[Layer]]:
    """The layers of one way, by name.  Only "pyg" imports PyTorch Geometric."""
    if chosen == "pyg":
        from engine.labs.gnn.models import pyg_layers

        return pyg_layers.LAYERS
    if chosen == "csr":
        from engine.labs.gnn.models import csr_layers

        return csr_layers.LAYERS
    from engine.labs.gnn.models.layers import LAYERS

    return LAYERS
