"""Plain diffusion: no consistency at all.  It makes the teachers.

Shapes: B points, D coordinates.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.labs.diffusion.remedies.objective import Network, Objective
from engine.labs.diffusion.remedies.objective.trigflow import Trigflow

if TYPE_CHECKING:
    from torch import Tensor

    from engine.labs.diffusion.models.flows import Velocity
    from engine.labs.diffusion.models.tangent import Residual


class Diffusion(Trigflow):
    """Differs: the error is measured on data of unit variance, which makes it `1/σ_d²` times the paper's."""

    idea = "The network learns the velocity of the flow and nothing else; its target holds nothing of the network itself."
    formula = r"L=\lVert F(y_t,t)-(\cos t\,z-\sin t\,y_0)\rVert^2"
    paper = "sCM (Lu and Song 2025, arXiv 2410.11081), section 3; the same target as flow matching and EDM up to weights"
    cost = "One forward and backward pass."
    fails = (
        "By its formula one step from pure noise gives the mean of all data, so samples need many steps. A tangent other than raw makes it "
        "another method."
    )
    reading = "paper"
    source = "sCM, section 3, the diffusion loss of TrigFlow"

    def knows_velocity(self) -> bool:
        return True

    def error(self, residual: Residual, shaped_BD: Tensor) -> Tensor:
        return Objective.error(self, residual, shaped_BD)

    def residual(self, network: Network, batch: dict[str, Tensor], velocity: Velocity | None, progress: float) -> Residual:
        from engine.labs.diffusion.models.tangent import Residual

        t_B, y_BD, dy_BD = self.point(batch, velocity)
        F_BD = network(y_BD, t_B)
        return Residual(F_BD, dy_BD - F_BD.detach().float(), self.flow().noise_share(t_B), y_BD, t_B, dy_BD)
