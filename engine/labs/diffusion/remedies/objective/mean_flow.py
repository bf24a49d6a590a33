"""MeanFlow: the average velocity between any two times, of which the consistency model is the case that ends at the data.

Shapes: B points, D coordinates.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from engine.declare.knobs import knob
from engine.labs.diffusion.remedies.objective import Network, Objective

if TYPE_CHECKING:
    from torch import Tensor

    from engine.labs.diffusion.models.flows import Flow, Velocity
    from engine.labs.diffusion.models.tangent import Residual


class MeanFlow(Objective):
    """Differs: no guidance, which their code mixes into the velocity.

    The signs are those of FACM's time: t here is 1 − t there, F is minus their u; the network hears their t and t − r."""

    idea = (
        "The network hears where a jump begins and where it ends, and gives the average velocity "
        "between them. By default the two are equal for most samples of a batch, and "
        "there it learns the plain velocity."
    )
    formula = r"g=v+(r-t)\,\frac{d}{dt}F(x_t,t,r)-F,\quad r=t \text{ for a share of the batch}"
    paper = "Mean Flows for One-step Generative Modeling (Geng et al. 2025, arXiv 2505.13447)"
    cost = "One forward-mode pass beside the ordinary forward and backward pass."
    fails = (
        "FACM reports {cite a collapse on images with no share of equal times | FACM, ablation of that share}. What the share changes in "
        "the plane stands in the presets mean_flow_unequal and mean_flow_whole_unequal."
    )
    reading = "authors' code"
    source = "meanflow/models/meanflow.py of Gsunshine/py-meanflow; the paper's Algorithm 1"

    p_mean: float = knob(-0.4, "mean of the logit of the noise share drawn", source="the paper: -0.4", ge=-5.0, le=5.0)
    p_std: float = knob(1.0, "standard deviation of the logit", source="the paper: 1.0", ge=0.0, le=5.0)
    equal_share: float = knob(
        0.75, "share of the batch whose two times are equal", source="the paper: 0.75", group="remedy", ge=0.0, le=1.0
    )

    span: Literal["drawn", "whole"] = knob(
        "drawn",
        "where a jump ends: at the smaller of two drawn noise shares, or always at the data, the whole way of a consistency model",
        source="the paper: drawn",
        group="remedy",
    )

    def flow(self) -> Flow:
        from engine.labs.diffusion.models.flows import LinearFlow

        return LinearFlow()

    def two_times(self) -> bool:
        return True

    def time_input(self, t_B: Tensor) -> Tensor:
        """The authors' time runs from 0 at the data to 1 at the noise."""
        return 1.0 - t_B

    def end_input(self, t_B: Tensor, end_B: Tensor) -> Tensor:
        """The length of the jump (their table 1c: t and t - r)."""
        return end_B - t_B

    def error(self, residual: Residual, shaped_BD: Tensor) -> Tensor:
        """-> (B,) the sum over the coordinates, as in the authors' code."""
        return shaped_BD.shape[1] * super().error(residual, shaped_BD)

    def times(self, batch: dict[str, Tensor]) -> Tensor:
        return self.spans(batch)[0]

    def spans(self, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """-> t and r >= t, both in the direction of FACM (0 noise, 1 data)."""
        import torch

        share_B2 = torch.sigmoid(self.p_mean + self.p_std * batch["normal"])
        t_B, r_B = 1.0 - share_B2.amax(dim=1), 1.0 - share_B2.amin(dim=1)
        if self.span == "whole":
            r_B = torch.ones_like(t_B)
        return t_B, torch.where(batch["uniform"] < self.equal_share, t_B, r_B)

    def residual(self, network: Network, batch: dict[str, Tensor], velocity: Velocity | None, progress: float) -> Residual:
        from engine.labs.diffusion.models.tangent import Residual, jvp

        flow = self.flow()
        t_B, y_BD, dy_BD = self.point(batch, velocity)
        r_B = self.spans(batch)[1]
        tangent_scale_B = r_B - t_B
        F_BD, J_BD = jvp(lambda y, t: network(y, t, r_B), y_BD, t_B, tangent_scale_B.unsqueeze(1) * dy_BD, tangent_scale_B)
        g_BD = flow.residual(F_BD, J_BD, y_BD, dy_BD, t_B)
        return Residual(network(y_BD, t_B, r_B), g_BD, flow.noise_share(t_B), y_BD, t_B, dy_BD, J_BD)
