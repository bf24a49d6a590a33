"""The tangent divided by its own length."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from engine.declare.knobs import knob
from engine.labs.diffusion.remedies.tangent import Tangent


class Normalise(Tangent):
    idea = "The tangent of each sample is divided by its own length plus a constant, so in that length no step is longer than one."
    formula = r"\rho(g)=g/(\lVert g\rVert+c)"
    paper = "sCM (Lu and Song 2025, arXiv 2410.11081), Algorithm 1"
    cost = "One norm per sample."
    fails = (
        "By its formula a tangent that is short, yet long beside c, still becomes one of nearly full length. Then the value of the loss, "
        "the square of that length, says nothing of the error."
    )
    reading = "paper"
    source = "Algorithm 1; NVlabs/FastGen, sCM.py"

    c: float = knob(0.1, "added to the length", source="the paper: 0.1", group="remedy", ge=0.0, le=100.0)
    length: Literal["l2", "rms"] = knob(
        "l2",
        "which length: the Euclidean norm of the sample, or the root mean square of its coordinates",
        source="l2 in the paper; rms in FastGen and FACM's code, where c means the same for every dimension",
        group="remedy",
    )

    def transform(self, g_BD: Tensor, noise_fraction_B: Tensor) -> Tensor:
        length_B1 = torch.linalg.vector_norm(g_BD, dim=1, keepdim=True)
        if self.length == "rms":
            length_B1 = length_B1 / math.sqrt(g_BD.shape[1])
        return g_BD / (length_B1 + self.c)
