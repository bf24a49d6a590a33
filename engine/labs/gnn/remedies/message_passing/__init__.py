"""Question `message_passing`: how do the layers hand a message on?  An answer is a file here, such as nu_drew.py."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.declare.knobs import Choice

if TYPE_CHECKING:
    from torch import Tensor

    from engine.labs.gnn.models.networks import MakeLayer, MakeNorm, Passing


@dataclass(frozen=True)
class Plan:
    """What a network is built for.

    d_in, width   of the features and of the states
    adjacencies   L matrices (N, N), one for each layer
    hops_NN       distance of any two nodes in edges, infinite where there is no path
    layer, norm   what makes a layer and a norm
    """

    d_in: int
    width: int
    adjacencies: list[Tensor]
    hops_NN: Tensor
    layer: MakeLayer
    norm: MakeNorm


class MessagePassing(Choice):
    """How do the layers hand a message on?"""

    def build(self, plan: Plan) -> Passing:
        raise TypeError(f"{type(self).__name__} must define build(plan)")
