"""The tangent as it is."""

from __future__ import annotations

from torch import Tensor

from engine.labs.diffusion.remedies.tangent import Tangent


class Raw(Tangent):
    idea = "The network moves by the whole tangent; where its time derivative is large, so is the gradient."
    formula = r"\rho(g)=g"
    paper = "Consistency Models (Song et al. 2023, arXiv 2303.01469), the continuous-time limit"
    cost = "Nothing."
    fails = "A single point of time with a large derivative owns the whole gradient: it is the {cite worst of three | Figure 5a of sCM}."
    reading = "paper"
    source = "sCM, eq. 6 without normalisation (figure 5a)"

    def transform(self, g_BD: Tensor, noise_fraction_B: Tensor) -> Tensor:
        return g_BD
