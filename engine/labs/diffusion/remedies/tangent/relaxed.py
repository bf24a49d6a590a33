"""FACM's relaxed step: clipped, and smaller the closer to the data."""

from __future__ import annotations

from torch import Tensor

from engine.declare.knobs import knob
from engine.labs.diffusion.remedies.tangent import Tangent


class Relaxed(Tangent):
    idea = (
        "The target is only part of the way to the tangent's fixed point: the clipped tangent is multiplied by 1 − tᵖ, which is 1 at "
        "the noise and 0 at the data."
    )
    formula = r"\rho(g)=\alpha(t)\,\mathrm{clip}(g,-b,b),\quad \alpha(t)=1-t^{p}"
    paper = "Flow-Anchored Consistency Models (Peng et al., ICLR 2026), losses.py of the authors' repository"
    cost = "One comparison and one product per coordinate."
    fails = "With a high-frequency time embedding and without an anchor the network runs away all the same {shown unanchored}."
    reading = "authors' code"
    source = "losses.py of ali-vilab/FACM"

    bound: float = knob(1.0, "largest absolute value of a coordinate", source="authors' code: 1", group="remedy", ge=1e-6, le=1e6)
    p: float = knob(
        0.5, "exponent of the time; larger follows the tangent more", source="authors' code: 0.5", group="remedy", ge=0.01, le=10.0
    )

    def transform(self, g_BD: Tensor, noise_fraction_B: Tensor) -> Tensor:
        alpha_B1 = (1.0 - (1.0 - noise_fraction_B).clamp(min=0.0) ** self.p).unsqueeze(1)
        return alpha_B1 * g_BD.clamp(-self.bound, self.bound)
