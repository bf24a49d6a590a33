"""No scaling: every long skip joins with its full size, as in the first UNets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from engine.labs.diffusion.remedies.skip_scaling import SCALELONG, SkipScaling

if TYPE_CHECKING:
    from torch import nn


class Unscaled(SkipScaling):
    idea = "Every long skip joins the decoder with its full size and adds its energy, so the stream grows with the number of skips."
    formula = r"\kappa_i=1,\quad \|h_0\|^2\propto\sum_{i=1}^{N}\kappa_i^2=N"
    paper = f"The usual UNet; the baseline of {SCALELONG}"
    cost = "Nothing."
    fails = (
        "The hidden features, and the range in which they swing, grow with the number of skips {cite in proportion | ScaleLong, theorem 1}."
    )
    reading = "authors' code"
    source = "libs/uvit.py of sail-sg/ScaleLong; the growth is its theorem 1, as later papers restate it"

    def build(self, shapes: Sequence[tuple[int, int]]) -> list[nn.Module]:
        from engine.labs.diffusion.models.skip_gates import ConstantGate

        return [ConstantGate(1.0) for _ in shapes]
