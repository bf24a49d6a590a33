"""Question `sampler`: how does one walk from noise to a picture?

All walk along dx/dsigma = (x - D(x; sigma)) / sigma from a large sigma to 0.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from engine.declare.knobs import Choice, knob

if TYPE_CHECKING:
    from torch import Tensor

    Denoise = Callable[[Tensor, Tensor], Tensor]  # (x (B, …), sigma ()) -> D (B, …)

SMALLEST, LARGEST, BEND = 0.002, 80.0, 7.0


class Sampler(Choice):
    """How does one walk from noise to a picture?"""

    steps: int = knob(6, "steps from noise to picture", unit="steps", group="probes", ge=1, le=1000)

    def sample(self, denoise: Denoise, x: Tensor, sigmas: Tensor) -> Tensor:
        """Walk `x`, which has noise level `sigmas[0]`, down the levels to `sigmas[-1]`."""
        raise TypeError(f"{type(self).__name__} must define sample(denoise, x, sigmas)")

    def levels(self, largest: float = LARGEST) -> Tensor:
        """The noise levels of EDM (Karras et al. 2022, eq. 5, rho = 7) and then 0 -> (steps + 1,) fp64."""
        import torch

        share = torch.linspace(0.0, 1.0, self.steps, dtype=torch.float64) if self.steps > 1 else torch.zeros(1, dtype=torch.float64)
        high, low = largest ** (1.0 / BEND), SMALLEST ** (1.0 / BEND)
        return torch.cat([(high + share * (low - high)) ** BEND, torch.zeros(1, dtype=torch.float64)])
