"""Every long skip is multiplied by 1/√2."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from engine.labs.diffusion.remedies.skip_scaling import SCALELONG, SkipScaling

if TYPE_CHECKING:
    from torch import nn


class InverseSqrt2(SkipScaling):
    idea = "Every long skip is multiplied by 1/√2, as many diffusion codes do, which halves the energy that it adds."
    formula = r"\kappa_i=2^{-1/2},\quad \sum_{i=1}^{N}\kappa_i^2=N/2"
    paper = f"As compared in {SCALELONG}, which names Imagen, SR3 and score-SDE as its users"
    cost = "Nothing."
    fails = (
        "It halves the growth with the number of skips and stops short of bounding it {cite by its formula | ScaleLong, "
        "theorem 1}. Not to be confused with the 1/√2 on the sum inside "
        "a residual block (knob residual_scaling), which score-SDE and EDM mean by the same name."
    )
    reading = "authors' code"
    source = "libs/uvit.py of sail-sg/ScaleLong"

    def build(self, shapes: Sequence[tuple[int, int]]) -> list[nn.Module]:
        from engine.labs.diffusion.models.skip_gates import ConstantGate

        return [ConstantGate(2**-0.5) for _ in shapes]
