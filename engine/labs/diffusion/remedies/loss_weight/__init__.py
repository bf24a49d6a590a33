"""Question `loss_weight`: how much does each time count in the loss?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.declare.knobs import Choice

if TYPE_CHECKING:
    from torch import Tensor, nn


class LossWeight(Choice):
    """How much does each time count in the loss?"""

    def network(self, width: int, seed: int) -> nn.Module | None:
        """-> the part of the weight that is learned along, (B,) shares of noise -> (B,); None for most."""
        return None

    def weigh(self, error_B: Tensor, noise_fraction_B: Tensor, network: nn.Module | None) -> Tensor:
        """-> the loss () of the squared errors; `noise_fraction_B` is 0 at the data and 1 at the noise."""
        raise TypeError(f"{type(self).__name__} must define weigh(error, share, network)")
