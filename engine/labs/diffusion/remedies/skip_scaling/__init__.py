"""Question `skip_scaling`: what multiplies a long skip connection before it joins the decoder?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from engine.declare.knobs import Choice

if TYPE_CHECKING:
    from torch import nn

SCALELONG = "ScaleLong (Huang, Zhou, Yan, Lin, NeurIPS 2023, arXiv 2310.13545)"


class SkipScaling(Choice):
    """What multiplies a long skip connection before it joins the decoder?"""

    def build(self, shapes: Sequence[tuple[int, int]]) -> list[nn.Module]:
        """-> one gate per long skip, the outermost first.  `shapes`: (places, channels) of every skip."""
        raise TypeError(f"{type(self).__name__} must define build(shapes)")
