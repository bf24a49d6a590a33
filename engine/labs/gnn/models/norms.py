"""What is done to the states between two layers: nothing, a norm over the batch, or one per node.

Where: a norm over the batch stands before the nonlinearity, as in PyG's networks; the one per node acts on the new state, behind the
shortcut if there is one, as in the code of DRew (lrgb/graphgps/stage/drew_gnn.py).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn


def new_state(norm: nn.Module, message_BND: Tensor, before_BND: Tensor | None) -> Tensor:
    """The state of a layer from its message, and with a shortcut from the state before."""
    of_state = isinstance(norm, L2Norm)
    state_BND = torch.relu(message_BND if of_state else norm(message_BND))
    if before_BND is not None:
        state_BND = before_BND + state_BND
    return norm(state_BND) if of_state else state_BND


class BatchNorm(nn.Module):
    """Mean 0 and variance 1 of every channel over all nodes of all examples (Ioffe & Szegedy 2015, arXiv 1502.03167, algorithm 1).

    In training it lets every node feel every other one; in evaluation it is a fixed linear map.
    """

    def __init__(self, d: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(d)

    def forward(self, h_BND: Tensor) -> Tensor:
        return self.norm(h_BND.flatten(0, -2)).view_as(h_BND)


class L2Norm(nn.Module):
    """Every node's state divided by its length."""

    def forward(self, h_BND: Tensor) -> Tensor:
        return torch.nn.functional.normalize(h_BND, dim=-1)


NORMS: dict[str, Callable[[int], nn.Module]] = {"none": lambda d: nn.Identity(), "batch": BatchNorm, "l2": lambda d: L2Norm()}
