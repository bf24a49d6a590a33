"""Constant scaling (CS): the deeper the skip, the smaller its factor, in a geometric row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from engine.declare.knobs import knob
from engine.labs.diffusion.remedies.skip_scaling import SCALELONG, SkipScaling

if TYPE_CHECKING:
    from torch import nn


class ConstantScaling(SkipScaling):
    idea = (
        "The outermost skip keeps its full size and each deeper one is multiplied by κ once more. "
        "The energies then form a geometric row whose sum stays finite however many skips there are."
    )
    formula = r"\kappa_i=\kappa^{\,i-1}\ (i=1\text{ outermost}),\quad \sum_{i=1}^{N}\kappa_i^2=\frac{1-\kappa^{2N}}{1-\kappa^2}"
    paper = SCALELONG
    cost = "Nothing."
    fails = "By its formula the outermost skip keeps its full size whatever κ is, and with a small κ the deepest carry next to nothing."
    reading = "authors' code"
    source = "libs/uvit.py of sail-sg/ScaleLong"

    kappa: float = knob(
        0.7, "factor from one skip to the next deeper one", source="the authors advise 0.5 to 0.95", group="remedy", ge=0.01, le=1.0
    )

    def build(self, shapes: Sequence[tuple[int, int]]) -> list[nn.Module]:
        from engine.labs.diffusion.models.skip_gates import ConstantGate

        return [ConstantGate(self.kappa**i) for i in range(len(shapes))]
