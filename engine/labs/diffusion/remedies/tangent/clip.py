"""Every coordinate of the tangent clipped."""

from __future__ import annotations

from torch import Tensor

from engine.declare.knobs import knob
from engine.labs.diffusion.remedies.tangent import Tangent


class Clip(Tangent):
    idea = "Each coordinate of the tangent is cut off at a bound, so none can ask for a step beyond it."
    formula = r"\rho(g)=\mathrm{clip}(g,-b,b)"
    paper = "sCM (Lu and Song 2025, arXiv 2410.11081), section 4.2"
    cost = "One comparison per coordinate."
    fails = (
        "By its formula it bounds each step and sets no bound on the sum of many. The paper reports {cite that it helps, as "
        "normalising does | sCM, figure 5a}; under a high-frequency time embedding it is not tested here."
    )
    reading = "paper"
    source = "section 4.2; NVlabs/FastGen, sCM.py"

    bound: float = knob(1.0, "largest absolute value of a coordinate", source="the paper: 1", group="remedy", ge=1e-6, le=1e6)

    def transform(self, g_BD: Tensor, noise_fraction_B: Tensor) -> Tensor:
        return g_BD.clamp(-self.bound, self.bound)
