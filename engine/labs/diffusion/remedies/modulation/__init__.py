"""Question `modulation`: how does the time enter the blocks?"""

from __future__ import annotations

from engine.declare.knobs import Choice


class Modulation(Choice):
    """How does the time enter the blocks?"""

    def double_norm(self) -> bool:
        """True when scale and shift are normalised before they are applied."""
        raise TypeError(f"{type(self).__name__} must define double_norm()")
