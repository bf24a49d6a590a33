"""FACM's other anchor: the network hears a second time that names the task.

Shapes: B points, D coordinates.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.declare.knobs import knob
from engine.labs.diffusion.remedies.anchor import Anchor, velocity_loss
from engine.labs.diffusion.remedies.objective import Network

if TYPE_CHECKING:
    from torch import Tensor

    from engine.labs.diffusion.models.flows import Flow
    from engine.labs.diffusion.models.tangent import Residual


class AuxiliaryCondition(Anchor):
    idea = (
        "The same network also learns the plain velocity. A second time input says where the jump is to end: at the data for the jump, "
        "here for the velocity. Its last layer starts at zero, so at first both tasks look the same."
    )
    formula = r"L=L_{CM}(t,r=1)+\lambda\left[\lVert F(x_t,t,r=t)-v\rVert^2+1-\cos\angle(F,v)\right]"
    paper = "Flow-Anchored Consistency Models (Peng et al., ICLR 2026), losses.py of the authors' repository"
    cost = "One more forward and backward pass, and a second time embedding."
    fails = (
        "In the paper its one-step FID on images is {cite 1.97, that of the expanded interval 1.81 | FACM, ablation of the condition}. In "
        "the plane the two stand in the presets unanchored and expanded."
    )
    reading = "authors' code"
    source = "losses.py, FACMLoss of ali-vilab/FACM"

    weight: float = knob(1.0, "weight of the velocity loss", source="authors' code: plain sum", group="remedy", ge=0.0, le=100.0)

    def two_times(self) -> bool:
        return True

    def velocity_label(self, flow: Flow, t_B: Tensor) -> tuple[Tensor, Tensor | None]:
        return t_B, t_B

    def loss(self, network: Network, flow: Flow, residual: Residual) -> Tensor:
        return self.weight * velocity_loss(network(residual.y_BD, *self.velocity_label(flow, residual.t_B)), residual.dy_BD)
