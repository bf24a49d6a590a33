"""The sum of stream and branch is multiplied by 1/√2, as score-SDE and EDM do."""

from __future__ import annotations

from typing import ClassVar

from engine.labs.diffusion.remedies.residual_scaling import ResidualScaling


class InverseSqrt2Sum(ResidualScaling):
    idea = "The sum of stream and branch is multiplied by 1/√2 in every block, so that two parts of equal energy add up to one."
    formula = r"h_{l+1}=\tfrac{1}{\sqrt2}\,(h_l+F_l(h_l))"
    paper = "Score-based generative modeling (Song et al. 2021, arXiv 2011.13456); skip_scale in EDM (Karras et al. 2022, arXiv 2206.00364)"
    cost = "Nothing."
    fails = "What a block received fades by √2 in every later block. It is called skip scaling in EDM, but it is not about long skips."
    reading = "authors' code"
    source = "training/networks.py, UNetBlock, skip_scale, of NVlabs/edm"

    sum_factor: ClassVar[float] = 2**-0.5

    def branch(self, number: int, branches: int) -> float:
        return 1.0
