"""Groups of experts that stand for the devices of a cluster: what would lie on the device of a sequence is local to it.

Shapes: T tokens, E experts, G groups.
"""

from __future__ import annotations

import torch
from torch import Tensor


def group_of_experts(experts: int, groups: int) -> Tensor:
    """Neighbours share a group, whose sizes differ by one at most -> (E,) int64."""
    if groups > experts:
        raise ValueError(f"{groups} groups of experts were asked for, but the layer has {experts} experts; give 1 to {experts}.")
    return torch.arange(experts) * groups // experts


def home_of_tokens(tokens: int, length: int, groups: int) -> Tensor:
    """Sequence b of the batch is local to group b mod G -> (T,) int64."""
    return torch.arange(tokens) // length % groups
