"""Question `objective`: what is the network trained to keep constant along the flow?"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from engine.declare.knobs import Choice

if TYPE_CHECKING:
    from torch import Tensor

    from engine.labs.diffusion.models.flows import Flow, Velocity
    from engine.labs.diffusion.models.tangent import Residual

Network = Callable[..., Any]  # ask(y_BD, t_B, end_B=None) -> F_BD, in the time of the objective's flow


class Objective(Choice):
    """What is the network trained to keep constant along the flow?"""

    def flow(self) -> Flow:
        """The convention of path and time."""
        from engine.labs.diffusion.models.flows import TrigFlow

        return TrigFlow()

    def time_input(self, t_B: Tensor) -> Tensor:
        """What the network hears of the time."""
        return t_B

    def end_input(self, t_B: Tensor, end_B: Tensor) -> Tensor:
        """What the network hears of the time at which the jump ends."""
        return self.time_input(end_B)

    def mirrors(self) -> bool:
        """True when `time_input` also exists on the other side of the data, which the expanded interval needs."""
        return True

    def two_times(self) -> bool:
        """True when the network must hear where the jump ends."""
        return False

    def knows_velocity(self) -> bool:
        """True when F is the velocity itself, so that the network can be sampled in many steps."""
        return False

    def error(self, residual: Residual, shaped_BD: Tensor) -> Tensor:
        """-> (B,) the squared error of each sample: the mean over its coordinates, unless the paper says otherwise."""
        from engine.labs.diffusion.models.tangent import squared_error

        return squared_error(residual, shaped_BD)

    def times(self, batch: dict[str, Tensor]) -> Tensor:
        """-> (B,) times drawn from the proposal, from the batch's normal and uniform numbers."""
        raise TypeError(f"{type(self).__name__} must define times(batch)")

    def residual(self, network: Network, batch: dict[str, Tensor], velocity: Velocity | None, progress: float) -> Residual:
        """-> F and where it should go.  `velocity`: of the exact flow or of a teacher, None for that of the pair; `progress`: 0 to 1."""
        raise TypeError(f"{type(self).__name__} must define residual(network, batch, velocity, progress)")

    def point(self, batch: dict[str, Tensor], velocity: Velocity | None) -> tuple[Tensor, Tensor, Tensor]:
        """-> times, points on the way between the pairs of the batch, and dy/dt there."""
        flow, t_B = self.flow(), self.times(batch)
        y_BD = flow.mix(batch["y"], batch["z"], t_B)
        return t_B, y_BD, flow.velocity(batch["y"], batch["z"], t_B) if velocity is None else velocity(y_BD, t_B)
