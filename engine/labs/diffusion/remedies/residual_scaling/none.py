"""Residual branches are added as they are."""

from __future__ import annotations

from engine.labs.diffusion.remedies.residual_scaling import ResidualScaling


class Unscaled(ResidualScaling):
    idea = "Stream and branch are added as they are. Every block adds the energy of its branch, so the stream grows with depth."
    formula = r"h_{l+1}=h_l+F_l(h_l)"
    paper = "Deep Residual Learning (He et al. 2016, arXiv 1512.03385)"
    cost = "Nothing."
    fails = "By its formula the stream grows with the number of blocks, and so does the gradient, which passes the same sums backwards."
    reading = "paper"
    source = "eq. 1"

    def branch(self, number: int, branches: int) -> float:
        return 1.0
