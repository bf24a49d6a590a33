"""Question `optimizer`: which rule turns gradients into a step?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.declare.knobs import Choice

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch import nn
    from torch.optim import Optimizer as TorchOptimizer


class Optimizer(Choice):
    """Which rule turns gradients into a step?"""

    def build(self, parameters: Iterable[tuple[str, nn.Parameter]], lr: float) -> TorchOptimizer:
        """-> a torch optimizer over the named parameters; its learning rate is set anew at every step."""
        raise TypeError(f"{type(self).__name__} must define build(parameters, lr)")
