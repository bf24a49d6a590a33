"""Stable ResNet, decreasing scaling: the factor falls with the number of the branch, so that depth may grow without end."""

from __future__ import annotations

import math

from engine.labs.diffusion.remedies.residual_scaling import ResidualScaling


class Decreasing(ResidualScaling):
    """Why: the section of the paper that prints the row was not at hand. Its definition asks for a finite sum of squares, which this row
    has; the first author's code divides by √(l log(l + 1)), whose squares sum to more than any number.
    """

    idea = (
        "Branch l is multiplied by 1/(√l log(l + 1)). The squares of all factors have a finite sum, so blocks can be added without "
        "scaling the others anew."
    )
    formula = r"h_{l+1}=h_l+\lambda_lF_l(h_l),\quad \lambda_l=\frac{1}{\sqrt{l}\,\log(l+1)}"
    paper = "Stable ResNet (Hayou, Clerico, He, Deligiannidis, Doucet, Rousseau, AISTATS 2021, arXiv 2010.12859)"
    cost = "Nothing."
    fails = (
        "By its formula late branches, here those of the decoder, are scaled down most. What that does to the loss stands in the preset "
        "silent_remedies."
    )
    reading = "our reading of the abstract"
    source = "Σλ² finite, the definition of Stable ResNet; compared with models/base/resnet.py of soufiane001/stable_resnet"

    def branch(self, number: int, branches: int) -> float:
        return 1.0 / (math.sqrt(number) * math.log(number + 1))
