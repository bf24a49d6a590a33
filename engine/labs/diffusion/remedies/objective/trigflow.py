"""sCM: the continuous-time consistency model in TrigFlow.

Shapes: B points, D coordinates.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from engine.declare.knobs import knob
from engine.labs.diffusion.remedies.objective import Network, Objective

if TYPE_CHECKING:
    from torch import Tensor

    from engine.labs.diffusion.models.flows import Velocity
    from engine.labs.diffusion.models.tangent import Residual

EDGE = 1e-4  # the logarithm of the noise is kept this far from both ends of the interval


class Trigflow(Objective):
    """Differs: training starts from nothing, where the paper starts from a trained diffusion model, unless `pretrain` asks for one."""

    idea = (
        "A consistency model jumps from any point of a flow line to its end in one step, so along the line it must not change: its total "
        "derivative, computed by one forward-mode pass, is driven to zero."
    )
    formula = (
        r"g=-\sigma_d\left[\cos^2 t\,(F-\dot y)+r\cos t\sin t\,(y+\dot F)\right],\quad \dot F=\nabla F\cdot\dot y+\partial_t F,\quad "
        r"L=\lVert F-\mathrm{sg}[F]-\rho(g)\rVert^2"
    )
    paper = "sCM (Lu and Song 2025, arXiv 2410.11081), eq. 6 to 8 and Algorithm 1"
    cost = "One forward-mode pass beside the ordinary forward and backward pass."
    fails = (
        "The term with the time derivative grows with the frequency of the time embedding {cite by its formula | sCM, eq. 7}. By its "
        "formula a normalised tangent bounds each step and sets no bound on the sum of many."
    )
    reading = "paper"
    source = "eq. 6 to 8 and Algorithm 1; NVlabs/FastGen, sCM.py"

    p_mean: float = knob(-1.0, "mean of the logarithm of the noise drawn", source="the paper: -1.0", group="training", ge=-5.0, le=5.0)
    p_std: float = knob(1.4, "standard deviation of the logarithm of the noise", source="the paper: 1.4", group="training", ge=0.0, le=5.0)
    warmup: float = knob(
        0.2, "share of the run over which the unstable part of the tangent is faded in", source="the paper: 10,000 steps", ge=0.0, le=1.0
    )
    c_noise: Literal["t", "log"] = knob(
        "t", "what the network hears of the time: t itself, or EDM's log(noise)/4", source="t in the paper", group="remedy"
    )
    extra_prior: bool = knob(
        False,
        "weigh the loss by 1/σ once more, as several public codes do",
        source="on in FastGen; not in Algorithm 1",
        group="stressor",
    )

    def time_input(self, t_B: Tensor) -> Tensor:
        return t_B if self.c_noise == "t" else log_noise(t_B)

    def mirrors(self) -> bool:
        return self.c_noise == "t"

    def times(self, batch: dict[str, Tensor]) -> Tensor:
        return self.flow().from_sigma((self.p_mean + self.p_std * batch["normal"][:, 0]).exp())

    def residual(self, network: Network, batch: dict[str, Tensor], velocity: Velocity | None, progress: float) -> Residual:
        from engine.labs.diffusion.datasets.plane import SIGMA_DATA
        from engine.labs.diffusion.models.tangent import Residual, jvp

        flow = self.flow()
        t_B, y_BD, dy_BD = self.point(batch, velocity)
        tangent_scale_B = flow.tangent_scale(t_B)
        F_BD, J_BD = jvp(network, y_BD, t_B, tangent_scale_B.unsqueeze(1) * dy_BD, tangent_scale_B)
        ramp = min(1.0, progress / self.warmup) if self.warmup else 1.0
        g_BD = SIGMA_DATA * flow.residual(F_BD, J_BD, y_BD, dy_BD, t_B, ramp)
        return Residual(network(y_BD, t_B), g_BD, flow.noise_share(t_B), y_BD, t_B, dy_BD, J_BD)

    def error(self, residual: Residual, shaped_BD: Tensor) -> Tensor:
        error_B = super().error(residual, shaped_BD)
        return error_B / sigma(residual.t_B) if self.extra_prior else error_B


def sigma(t_B: Tensor) -> Tensor:
    """The noise sigma_d tan(t), in data units."""
    import torch

    from engine.labs.diffusion.datasets.plane import SIGMA_DATA

    return SIGMA_DATA * torch.tan(t_B)


def log_noise(t_B: Tensor) -> Tensor:
    """EDM's c_noise = log(sigma) / 4 with sigma = sigma_d tan(t)."""
    import torch

    return torch.log(sigma(t_B.clamp(EDGE, 0.5 * math.pi - EDGE))) / 4.0
