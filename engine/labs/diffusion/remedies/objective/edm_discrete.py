"""Discrete consistency training in the EDM parameterisation: the baseline before sCM.

Shapes: B points, D coordinates, N times.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from engine.declare.knobs import knob
from engine.labs.diffusion.remedies.objective import Network
from engine.labs.diffusion.remedies.objective.trigflow import log_noise
from engine.labs.diffusion.remedies.objective.trigflow_discrete import TrigflowDiscrete

if TYPE_CHECKING:
    from torch import Tensor

    from engine.labs.diffusion.models.flows import Velocity
    from engine.labs.diffusion.models.tangent import Residual


class EdmDiscrete(TrigflowDiscrete):
    """Written as a move of F whose gradient is that of the paper's loss in data units, by the chain rule.

    Differs: f(x) = x holds at noise 0, as in sCM's grid, and not at the papers' smallest noise {cite 0.002 | karras_diffusion.py}. So
    the grid has one cell more, below that noise, and c_skip and c_out are EDM's own, without the shift by it, which moves a jump by
    {cite less than 0.01 | both scalings side by side}. The number of points stays the same for a whole run, where iCT doubles it several
    times; what is drawn beyond the largest noise {cite 80 | karras_diffusion.py} counts for the last cell.
    """

    idea = (
        "Two neighbouring noise levels of one noisy pair must give the same clean point; the step between them is finite, and the "
        "network hears the logarithm of the noise."
    )
    formula = (
        r"L=\frac{1}{\sigma_{n+1}-\sigma_n}\,d\left(f(x_{\sigma_{n+1}}),\,\mathrm{sg}[f(x_{\sigma_n})]\right),\quad "
        r"d(\delta)=\sqrt{\lVert \delta\rVert^2+c^2}-c"
    )
    paper = "Consistency Models (Song et al. 2023, arXiv 2303.01469); improved techniques (Song and Dhariwal 2024, arXiv 2310.14189)"
    cost = "Two plain forward passes, one without gradient."
    fails = (
        "By its formula the target differs from that of an infinitely small step by a term of the order of the step, however long the "
        "training. What more points do to that and to the noise of the gradient is not tested here."
    )
    reading = "paper"
    source = "iCT, table 1; cm/karras_diffusion.py of openai/consistency_models; FastGen"

    points: int = knob(64, "noise levels of the grid", unit="points", source="iCT doubles from 10 to 1,280", group="size", ge=2, le=65_536)
    p_mean: float = knob(-1.1, "mean of the logarithm of the noise drawn", source="iCT: -1.1", ge=-5.0, le=5.0)
    p_std: float = knob(2.0, "standard deviation of the logarithm of the noise", source="iCT: 2.0", ge=0.0, le=5.0)
    huber: float = knob(
        0.00054, "c of the pseudo-Huber distance, times the square root of the dimension", source="iCT: 0.00054", ge=0.0, le=10.0
    )

    def time_input(self, t_B: Tensor) -> Tensor:
        return log_noise(t_B)

    def mirrors(self) -> bool:
        return False

    def residual(self, network: Network, batch: dict[str, Tensor], velocity: Velocity | None, progress: float) -> Residual:
        import torch

        from engine.labs.diffusion.datasets.plane import SIGMA_DATA
        from engine.labs.diffusion.models.tangent import Residual, row_norms

        flow = self.flow()
        t_B, y_BD, dy_BD = self.point(batch, velocity)
        near_B = self.steps(batch)[1]
        F_BD = network(y_BD, t_B)
        with torch.no_grad():
            turn = (t_B - near_B).unsqueeze(1)
            y_near = torch.cos(turn) * y_BD - torch.sin(turn) * dy_BD
            off_BD = flow.jump(F_BD.float(), y_BD, t_B) - flow.jump(network(y_near, near_B).float(), y_near, near_B)
            width = SIGMA_DATA * (torch.tan(t_B) - torch.tan(near_B))
            length_B = torch.hypot(SIGMA_DATA * row_norms(off_BD), torch.full_like(t_B, self.huber * math.sqrt(y_BD.shape[1])))
            scale_B = 0.5 * y_BD.shape[1] * SIGMA_DATA**2 * torch.sin(t_B) / (width * length_B)
        return Residual(F_BD, scale_B.unsqueeze(1) * off_BD, flow.noise_share(t_B), y_BD, t_B, dy_BD)
