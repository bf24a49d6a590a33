"""No anchor: consistency loss only."""

from __future__ import annotations

from engine.labs.diffusion.remedies.anchor import Anchor


class Unanchored(Anchor):
    idea = "Only the consistency loss: the velocity enters through the tangent and nowhere else."
    formula = r"L=L_{CM}"
    paper = "sCM (Lu and Song 2025, arXiv 2410.11081) trains so; FACM (Peng et al., ICLR 2026) argues against it"
    cost = "Nothing."
    fails = (
        "By its formula the target is mostly the network's own derivative where that is large. What an anchor changes then stands in the "
        "preset unanchored, and with a positional embedding in the preset calm."
    )
    reading = "paper"
    source = "sCM, eq. 8"

    def anchored(self) -> bool:
        return False
