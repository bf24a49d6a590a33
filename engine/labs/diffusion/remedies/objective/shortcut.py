"""FACM's consistency half: the average velocity from here to the data on the straight path.

Shapes: B points, D coordinates.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from engine.declare.knobs import knob
from engine.labs.diffusion.remedies.objective import Network, Objective

if TYPE_CHECKING:
    from torch import Tensor

    from engine.labs.diffusion.models.flows import Flow, Velocity
    from engine.labs.diffusion.models.tangent import Residual


class Shortcut(Objective):
    """Differs: training starts from nothing, where the authors start from a trained flow, unless `pretrain` asks for one; a loss that is
    NaN stays NaN, where their train.py puts 0 in its place.
    """

    idea = (
        "On the straight path from noise to data the network gives the average velocity of the rest of the way. Its target is the "
        "velocity here plus the network's own derivative; FACM adds an anchor, a loss on the velocity alone."
    )
    formula = r"f=x_t+(1-t)F,\quad g=v+(1-t)\,\frac{dF}{dt}-F,\quad L_{CM}=\lVert F-\mathrm{sg}[F]-\rho(g)\rVert^2"
    paper = "Flow-Anchored Consistency Models (Peng et al., ICLR 2026), losses.py of the authors' repository"
    cost = "One forward-mode pass beside the ordinary forward and backward pass; with an anchor, one forward and backward pass more."
    fails = (
        "By its formula the velocity is a small part of the target where the network's own derivative is large. What an anchor changes "
        "then stands in the preset unanchored."
    )
    reading = "authors' code"
    source = "losses.py, FACMLoss of ali-vilab/FACM"

    p_mean: float = knob(-0.8, "mean of the logarithm of the noise drawn", source="authors' code: -0.8", ge=-5.0, le=5.0)
    p_std: float = knob(1.6, "standard deviation of the logarithm of the noise", source="authors' code: 1.6", ge=0.0, le=5.0)

    def flow(self) -> Flow:
        from engine.labs.diffusion.models.flows import LinearFlow

        return LinearFlow()

    def times(self, batch: dict[str, Tensor]) -> Tensor:
        return 1.0 - (self.p_mean + self.p_std * batch["normal"][:, 0]).exp().atan() * (2.0 / math.pi)

    def residual(self, network: Network, batch: dict[str, Tensor], velocity: Velocity | None, progress: float) -> Residual:
        from engine.labs.diffusion.models.tangent import Residual, jvp

        flow = self.flow()
        t_B, y_BD, dy_BD = self.point(batch, velocity)
        tangent_scale_B = flow.tangent_scale(t_B)
        F_BD, J_BD = jvp(network, y_BD, t_B, tangent_scale_B.unsqueeze(1) * dy_BD, tangent_scale_B)
        g_BD = flow.residual(F_BD, J_BD, y_BD, dy_BD, t_B)
        return Residual(network(y_BD, t_B), g_BD, flow.noise_share(t_B), y_BD, t_B, dy_BD, J_BD)
