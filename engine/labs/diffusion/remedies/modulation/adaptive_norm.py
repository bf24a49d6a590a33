"""Scale and shift after a normalisation, as they come."""

from __future__ import annotations

from engine.labs.diffusion.remedies.modulation import Modulation


class AdaptiveNorm(Modulation):
    """Differs: a LayerNorm over a vector of features where their pictures have a GroupNorm, and two linear layers where they have
    convolutions.
    """

    idea = "A linear layer turns the time embedding into a scale and a shift that are applied to the normalised features of each block."
    formula = r"y=\mathrm{norm}(x)\odot(1+s(t))+b(t)"
    paper = "FiLM (Perez et al. 2018, arXiv 1709.07871); AdaGN in Dhariwal and Nichol 2021, arXiv 2105.05233"
    cost = "One linear layer per block on the time embedding."
    fails = (
        "Nothing in its formula bounds scale and shift. sCM reports that plain AdaGN {cite diverges when consistency models are trained | "
        "sCM, section 4.1}."
    )
    reading = "authors' code"
    source = "guided_diffusion/unet.py, ResBlock with use_scale_shift_norm, of openai/guided-diffusion"

    def double_norm(self) -> bool:
        return False
