"""sCM without a derivative: the difference between two neighbouring times of a grid.

Shapes: B points, D coordinates, N times.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.declare.knobs import knob
from engine.labs.diffusion.remedies.objective import Network, Objective

if TYPE_CHECKING:
    from torch import Tensor

    from engine.labs.diffusion.models.flows import Velocity
    from engine.labs.diffusion.models.tangent import Residual

SIGMA_MIN, SIGMA_MAX, RHO = 0.002, 80.0, 7.0


class TrigflowDiscrete(Objective):
    idea = (
        "The derivative along the flow is replaced by the difference to a point one grid step closer to the data, so no forward mode "
        "is needed."
    )
    formula = r"g=\sigma_d\cos t\left[-\cos t'(F-\dot y)-r\sin t'\left(y+\frac{\cos(t-t')F(y,t)-F(y',t')}{\sin(t-t')}\right)\right]"
    paper = "sCM (Lu and Song 2025, arXiv 2410.11081), appendix E"
    cost = "Two plain forward passes, one without gradient."
    fails = (
        "By its formula few grid points leave an error of the order of the step, and very many divide a rounding error by a tiny one. In "
        "the paper quality grows up to about {cite 1,024 | sCM, figure 5c} points and falls after that."
    )
    reading = "paper"
    source = "sCM, appendix E"

    points: int = knob(256, "points of the time grid", unit="points", source="the paper: 256 to 4,096", group="size", ge=2, le=65_536)
    p_mean: float = knob(-1.0, "mean of the logarithm of the noise drawn", source="the paper: -1.0", ge=-5.0, le=5.0)
    p_std: float = knob(1.4, "standard deviation of the logarithm of the noise", source="the paper: 1.4", ge=0.0, le=5.0)
    warmup: float = knob(0.2, "share of the run over which the unstable part is faded in", source="the paper: 10,000 steps", ge=0.0, le=1.0)

    def times(self, batch: dict[str, Tensor]) -> Tensor:
        return self.steps(batch)[0]

    def steps(self, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """-> times t and their neighbours t' closer to the data; t is the end of the grid cell into which the log-normal falls."""
        import torch

        from engine.labs.diffusion.datasets.plane import SIGMA_DATA

        sigma_B = (self.p_mean + self.p_std * batch["normal"][:, 0]).exp()
        grid_N = torch.cat([sigma_B.new_zeros(1), karras(self.points).to(sigma_B)])
        upper_B = torch.searchsorted(grid_N, sigma_B).clamp(1, self.points)
        return torch.atan(grid_N[upper_B] / SIGMA_DATA), torch.atan(grid_N[upper_B - 1] / SIGMA_DATA)

    def residual(self, network: Network, batch: dict[str, Tensor], velocity: Velocity | None, progress: float) -> Residual:
        import torch

        from engine.labs.diffusion.datasets.plane import SIGMA_DATA
        from engine.labs.diffusion.models.tangent import Residual

        flow = self.flow()
        t_B, y_BD, dy_BD = self.point(batch, velocity)
        t, near = t_B.unsqueeze(1), self.steps(batch)[1].unsqueeze(1)
        F_BD = network(y_BD, t_B)
        ramp = min(1.0, progress / self.warmup) if self.warmup else 1.0
        with torch.no_grad():
            F = F_BD.float()
            F_near = network(torch.cos(t - near) * y_BD - torch.sin(t - near) * dy_BD, near.squeeze(1)).float()
            change = (torch.cos(t - near) * F - F_near) / torch.sin(t - near)
            g_BD = SIGMA_DATA * torch.cos(t) * (-torch.cos(near) * (F - dy_BD) - ramp * torch.sin(near) * (y_BD + change))
        return Residual(F_BD, g_BD, flow.noise_share(t_B), y_BD, t_B, dy_BD)


def karras(points: int) -> Tensor:
    """The noise levels of EDM from smallest to largest, in data units (Karras et al. 2022, eq. 5)."""
    import torch

    share = torch.linspace(0.0, 1.0, points, dtype=torch.float64)
    low, high = SIGMA_MIN ** (1 / RHO), SIGMA_MAX ** (1 / RHO)
    return (low + share * (high - low)) ** RHO
