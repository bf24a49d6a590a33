"""Probe `block_gradients`: how large the gradient is in each block of encoder and decoder."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import torch

from engine.norms import gradient_norms
from engine.probe import Metric, Probe, Reading, Step

if TYPE_CHECKING:
    from torch import nn

    from engine.lab import Lab

SIDES = ("encoder", "decoder")


class BlockGradients(Probe):
    """Norm of the unclipped gradient of each encoder and each decoder block, the outermost first.

    A gate that several blocks share counts in the first of them."""

    price = "cheap"
    every = 5
    needs = "long_skips"
    metrics = tuple(Metric(f"block_gradients/{side}", f"norm of the gradient of each {side} block", kind="vector") for side in SIDES)

    def __init__(self, lab: Lab, model: nn.Module) -> None:
        names = [name.split(".") for name, _ in model.named_parameters()]
        self.places: dict[str, list[list[int]]] = {}
        for side in SIDES:
            blocks = 1 + max((int(parts[1]) for parts in names if parts[0] == side), default=-1)
            self.places[side] = [[i for i, parts in enumerate(names) if parts[:2] == [side, str(b)]] for b in range(blocks)]

    def gradients(self, step: Step) -> Iterable[Reading]:
        norms_P = gradient_norms(step)
        for side, blocks in self.places.items():
            yield Reading(f"block_gradients/{side}", torch.stack([torch.linalg.vector_norm(norms_P[place]) for place in blocks]))
