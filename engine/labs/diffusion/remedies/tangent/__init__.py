"""Question `tangent`: what is done to the tangent before the network follows it?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.declare.knobs import Choice

if TYPE_CHECKING:
    from torch import Tensor


class Tangent(Choice):
    """What is done to the tangent before the network follows it?"""

    def transform(self, g_BD: Tensor, noise_fraction_B: Tensor) -> Tensor:
        """-> the tangent as it enters the loss; `noise_fraction_B` is 0 at the data and 1 at the noise."""
        raise TypeError(f"{type(self).__name__} must define transform(g, noise_fraction)")
