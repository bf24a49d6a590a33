"""Initial values of parameters from (seed, parameter name) alone, so that arms with another remedy share the rest.

A module states its wish in `init_std = {"weight": 0.02}` (standard deviation of a normal; 0 means
zeros).  Without a wish: scales of LayerNorm and GroupNorm are 1, biases 0, matrices and convolutions normal
with std 1/sqrt(3 fan_in), which is the standard deviation of torch's own default for nn.Linear and nn.Conv2d.
"""

from __future__ import annotations

import hashlib
import math

import torch
from torch import nn


def named_generator(seed: int, name: str) -> torch.Generator:
    """A CPU generator that depends on the seed and the name and on nothing else."""
    digest = hashlib.sha256(f"{seed}/{name}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "little") >> 1)


@torch.no_grad()
def initialise(model: nn.Module, seed: int) -> nn.Module:
    """Overwrite every parameter of `model` in place; returns it."""
    modules = dict(model.named_modules())
    for name, parameter in model.named_parameters():
        owner, _, leaf = name.rpartition(".")
        std = getattr(modules[owner], "init_std", {}).get(leaf)
        if std is None:
            if isinstance(modules[owner], nn.LayerNorm | nn.GroupNorm) and leaf == "weight":
                parameter.fill_(1.0)
                continue
            fan_in = parameter[0].numel() if isinstance(modules[owner], nn.Conv2d) else parameter.shape[-1]
            std = 0.0 if parameter.ndim < 2 else 1.0 / math.sqrt(3 * fan_in)
        if std == 0.0:
            parameter.zero_()
        else:
            parameter.copy_(torch.randn(parameter.shape, generator=named_generator(seed, name)) * std)
    return model
