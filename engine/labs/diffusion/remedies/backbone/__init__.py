"""Question `backbone`: which network with long skips removes the noise?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.declare.knobs import Choice

if TYPE_CHECKING:
    from torch import nn

    from engine.labs.diffusion.remedies.residual_scaling import ResidualScaling
    from engine.labs.diffusion.remedies.skip_scaling import SkipScaling


class Backbone(Choice):
    """Which network with long skips removes the noise?"""

    def build(self, channels: int, size: int, width: int, skips: int, scaling: SkipScaling, residual: ResidualScaling) -> nn.Module:
        """-> `forward(x (B, C, size, size), label (B,)) -> (B, C, size, size)`, with `encoder` and `decoder` lists of `skips` blocks."""
        raise TypeError(f"{type(self).__name__} must define build(channels, size, width, skips, scaling, residual)")
