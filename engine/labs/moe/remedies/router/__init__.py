"""Question `router`: which expert does a token go to, and what keeps the experts busy?  An answer is a file here, such as loss_free.py."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from engine.declare.knobs import Choice

if TYPE_CHECKING:
    from engine.labs.moe.models.layer_info import LayerInfo
    from engine.labs.moe.models.router_scores import RouterModule


class RouterChoice(Choice):
    """Which expert does a token go to, and what keeps the experts busy?

    `leaks`: in which of "training" and "evaluation" a token's result depends on later tokens or on other sequences of the batch.
    """

    leaks: ClassVar[tuple[str, ...]] = ()

    def build(self, d: int, experts: int, init_factor: float, info: LayerInfo) -> RouterModule:
        """-> the router of the layer at `info`, for tokens of width `d`; `init_factor` scales the usual starting weights."""
        raise TypeError(f"{type(self).__name__} must define build(d, experts, init_factor, info)")
