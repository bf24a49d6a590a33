"""FACM's default anchor: velocity is asked for at times beyond the data.

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


class ExpandedInterval(Anchor):
    """Differs: on TrigFlow, a path that is not FACM's, the mirrored time is −t; that is our reading."""

    idea = (
        "The same network also learns the plain velocity, a target that holds nothing of the network itself. It knows the "
        "task by the time it hears: "
        "`t` for the jump, `2 − t` for the velocity; the two meet at the data, where both targets are the same."
    )
    formula = r"L=L_{CM}(c=t)+\lambda\left[\lVert F(x_t,2-t)-v\rVert^2+1-\cos\angle(F,v)\right]"
    paper = "Flow-Anchored Consistency Models (Peng et al., ICLR 2026), losses.py and transport.py of the authors' repository"
    cost = "One more forward and backward pass."
    fails = (
        "A network that was pre-trained only on `t` has never heard `2 − t`, so each half of a batch of the authors' pre-training hears "
        "one of the two. Without and with that pre-training it stands in the preset expanded."
    )
    reading = "authors' code"
    source = "losses.py, FACMLoss, and ldit/transport.py of ali-vilab/FACM"

    weight: float = knob(1.0, "weight of the velocity loss", source="authors' code: plain sum", group="remedy", ge=0.0, le=100.0)

    def mirrored(self) -> bool:
        return True

    def velocity_label(self, flow: Flow, t_B: Tensor) -> tuple[Tensor, Tensor | None]:
        return flow.mirror(t_B), None

    def pretraining_label(self, flow: Flow, t_B: Tensor) -> tuple[Tensor, Tensor | None]:
        """Half of the batch hears t, the other half its mirror."""
        import torch

        half = torch.arange(len(t_B), device=t_B.device) < len(t_B) // 2
        return torch.where(half, t_B, flow.mirror(t_B)), None

    def loss(self, network: Network, flow: Flow, residual: Residual) -> Tensor:
        return self.weight * velocity_loss(network(residual.y_BD, *self.velocity_label(flow, residual.t_B)), residual.dy_BD)
