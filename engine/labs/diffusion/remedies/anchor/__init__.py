"""Question `anchor`: what ties the network to the true velocity while it learns to jump?

Shapes: B points, D coordinates.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.declare.knobs import Choice
from engine.labs.diffusion.remedies.objective import Network

if TYPE_CHECKING:
    from torch import Tensor

    from engine.labs.diffusion.models.flows import Flow
    from engine.labs.diffusion.models.tangent import Residual


class Anchor(Choice):
    """What ties the network to the true velocity while it learns to jump?"""

    def two_times(self) -> bool:
        """True when the network must hear where the jump ends."""
        return False

    def mirrored(self) -> bool:
        """True when the network hears times beyond the data."""
        return False

    def anchored(self) -> bool:
        """True when there is a velocity task beside the jumps, so that the network can be sampled in many steps too."""
        return True

    def velocity_label(self, flow: Flow, t_B: Tensor) -> tuple[Tensor, Tensor | None]:
        """-> time and end of the jump by which the network knows that the velocity is asked for."""
        return t_B, None

    def pretraining_label(self, flow: Flow, t_B: Tensor) -> tuple[Tensor, Tensor | None]:
        """The same while only the velocity is learned, before any consistency loss."""
        return self.velocity_label(flow, t_B)

    def loss(self, network: Network, flow: Flow, residual: Residual) -> Tensor | None:
        """-> the loss () on the velocity at the points of the batch, or None."""
        return None


def velocity_loss(F_BD: Tensor, dy_BD: Tensor) -> Tensor:
    """FACM's anchor: mean squared error plus one minus the cosine between the two -> ()."""
    from torch.nn.functional import cosine_similarity

    F_BD = F_BD.float()
    return (F_BD - dy_BD).square().mean() + (1.0 - cosine_similarity(F_BD, dy_BD, dim=1)).mean()
