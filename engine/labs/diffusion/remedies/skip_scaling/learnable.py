"""Learnable scaling (LS) as the authors released it: a small network reads the skip and gives each of its places a gate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from engine.declare.knobs import knob
from engine.labs.diffusion.remedies.skip_scaling import SCALELONG, SkipScaling

if TYPE_CHECKING:
    from torch import nn


class LearnableScaling(SkipScaling):
    """Differs: the authors' U-ViT has one number of places; where resolutions differ, each has a shared network of its own."""

    idea = (
        "A network of two small layers reads the mean over the channels of a skip and answers with a number between 0 and 1 for each "
        "of its places. It begins near 1/2 everywhere and learns from there."
    )
    formula = r"\kappa_i=\sigma(W_2\,\mathrm{relu}(W_1\,\mathrm{mean}_D(s_i)+b_1)+b_2)\in(0,1)^L"
    paper = SCALELONG
    cost = "About `2L²/r` weights, and two tiny matrix products per skip."
    fails = (
        "The number of places is part of the network, so it is tied to one resolution. Nothing in its formula bounds the sum of the "
        "gates: they begin near 1/2, and training may open them."
    )
    reading = "authors' code"
    source = "libs/uvit.py of sail-sg/ScaleLong"

    shared: bool = knob(
        True,
        "one network for all skips of the same number of places, or one for each skip",
        source="the authors' LS shares one network, their LS (non-share) does not",
        group="remedy",
    )
    reduction: int = knob(16, "the inner layer is so many times narrower", source="the authors' code: 16", group="remedy", ge=1, le=256)

    def build(self, shapes: Sequence[tuple[int, int]]) -> list[nn.Module]:
        from engine.labs.diffusion.models.skip_gates import TokenGate

        if not self.shared:
            return [TokenGate(places, self.reduction) for places, _ in shapes]
        nets = {places: TokenGate(places, self.reduction) for places, _ in shapes}
        return [nets[places] for places, _ in shapes]
