"""Scale and shift normalised themselves."""

from __future__ import annotations

from engine.labs.diffusion.remedies.modulation import Modulation


class DoubleNorm(Modulation):
    """Differs: the scale is 1 + pnorm(s), as in FACM's code, where the paper writes pnorm(s)."""

    idea = "Scale and shift are divided by their own root mean square, so that their size stays one however large the embedding grows."
    formula = r"y=\mathrm{norm}(x)\odot(1+\mathrm{pnorm}(s(t)))+\mathrm{pnorm}(b(t))"
    paper = "sCM (Lu and Song 2025, arXiv 2410.11081), section 4.1; the 1 + is FACM's code"
    cost = "Two root mean squares per block."
    fails = (
        "By its formula a small modulation becomes one of full size, so the network hears the time from the first step on, that of a "
        "high-frequency embedding too."
    )
    reading = "paper"
    source = "sCM, section 4.1"

    def double_norm(self) -> bool:
        return True
