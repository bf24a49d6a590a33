"""Question `residual_scaling`: what multiplies a residual branch before it is added to the stream?"""

from __future__ import annotations

from typing import ClassVar

from engine.declare.knobs import Choice


class ResidualScaling(Choice):
    """What multiplies a residual branch before it is added to the stream?"""

    sum_factor: ClassVar[float] = 1.0  # of stream and branch together; a constant of the answer, no knob

    def branch(self, number: int, branches: int) -> float:
        """Factor of residual branch `number` (1-based, in the order of the forward pass) of `branches`."""
        raise TypeError(f"{type(self).__name__} must define branch(number, branches)")
