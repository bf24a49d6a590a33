"""Probe `block_gradients`: how large the gradient is in each block of encoder and decoder."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from engine.labs.common.norms import Groups, gradient_norms
from engine.labs.probe import Metric, Probe, Reading, Step

if TYPE_CHECKING:
    from torch import nn

    from engine.labs.lab import Lab

SIDES = ("encoder", "decoder")


class BlockGradients(Probe):
    """Norm of the unclipped gradient of each encoder and each decoder block, the outermost first.

    A gate that several blocks share counts in the first of them."""

    price = "cheap"
    every = 10
    needs = "long_skips"
    metrics = tuple(Metric(f"block_gradients/{side}", f"norm of the gradient of each {side} block", kind="vector") for side in SIDES)

    def __init__(self, lab: Lab, model: nn.Module) -> None:
        names = [name.split(".") for name, _ in model.named_parameters()]
        places = {
            side: [
                [i for i, parts in enumerate(names) if parts[:2] == [side, str(block)]] for block in range(len(getattr(model, side, ())))
            ]
            for side in SIDES
        }
        self.blocks = [len(places[side]) for side in SIDES]
        self.groups = Groups([place for side in SIDES for place in places[side]], len(names))

    def gradients(self, step: Step) -> Iterable[Reading]:
        found = self.groups.norms(gradient_norms(step)).split(self.blocks)
        return [Reading(f"block_gradients/{side}", norms_L) for side, norms_L in zip(SIDES, found, strict=True)]
