"""What tasks share in which a number must be said of every node that is read.

Shapes: B examples, R nodes that are read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.labs.gnn.remedies.task import Task

if TYPE_CHECKING:
    from torch import Tensor


class Numbers(Task):
    """Regression."""

    def loss(self, said: Tensor, answer: Tensor) -> Tensor:
        """Mean square error: said (B, 1), answer (B,), or (B, R, 1) and (B, R)."""
        return (said.squeeze(-1) - answer).square().mean()

    def scores(self, said: Tensor, answer: Tensor) -> dict[str, Tensor]:
        """`rmse`, the root of the mean square error over examples and nodes."""
        return {"rmse": (said.squeeze(-1) - answer).float().square().mean().sqrt()}
