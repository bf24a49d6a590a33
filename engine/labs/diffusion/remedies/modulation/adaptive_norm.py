"""Scale and shift after a normalisation, as they come."""

from __future__ import annotations

from engine.labs.diffusion.remedies.modulation import Modulation


class AdaptiveNorm(Modulation):
    idea = "A linear layer turns the time embedding into a scale and a shift that are applied to the normalised features of each block."
    formula = r"y=\mathrm{norm}(x)\odot(1+s(t))+b(t)"
    paper = "FiLM (Perez et al. 2018, arXiv 1709.07871); AdaGN in Dhariwal and Nichol 2021, arXiv 2105.05233"
    cost = "One linear layer per block on the time embedding."
    fails = "Scale and shift may grow without bound; sCM reports that plain AdaGN diverges when consistency models are trained with it."
    reading = "our reading of the abstract"

    def double_norm(self) -> bool:
        return False
