"""The tangent as it is."""

from __future__ import annotations

from torch import Tensor

from engine.labs.diffusion.remedies.tangent import Tangent


class Raw(Tangent):
    idea = "The network moves by the whole tangent; where its time derivative is large, so is the gradient."
    formula = r"\rho(g)=g"
    paper = "Consistency Models (Song et al. 2023, arXiv 2303.01469), the continuous-time limit"
    cost = "Nothing."
    fails = (
        "By its formula a point of time with a large derivative can outweigh all others in the gradient. In the paper it is the "
        "{cite worst of three | sCM, figure 5a}."
    )
    reading = "paper"
    source = "sCM, eq. 6 without normalisation (figure 5a)"

    def transform(self, g_BD: Tensor, noise_fraction_B: Tensor) -> Tensor:
        return g_BD
