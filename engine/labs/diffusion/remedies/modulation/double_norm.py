"""Scale and shift normalised themselves."""

from __future__ import annotations

from engine.labs.diffusion.remedies.modulation import Modulation


class DoubleNorm(Modulation):
    """Differs: the scale is 1 + pnorm(s), as in FACM's code, where the paper writes pnorm(s)."""

    idea = "Scale and shift are divided by their own root mean square, so that the time cannot shout however large its embedding grows."
    formula = r"y=\mathrm{norm}(x)\odot(1+\mathrm{pnorm}(s(t)))+\mathrm{pnorm}(b(t))"
    paper = "sCM (Lu and Song 2025, arXiv 2410.11081), section 4.1; the 1 + is FACM's code"
    cost = "Two root mean squares per block."
    fails = (
        "A small modulation becomes one of full size, so the network is sensitive to time from the first step, and a high-frequency "
        "embedding is amplified rather than tamed."
    )
    reading = "paper"
    source = "sCM, section 4.1"

    def double_norm(self) -> bool:
        return True
