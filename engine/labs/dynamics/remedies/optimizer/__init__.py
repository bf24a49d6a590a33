"""Question `optimizer` of the labs that play: which rule turns gradients into a step?"""

from __future__ import annotations

from engine.labs.optimizer import Optimizer


class Descent(Optimizer):
    """Which rule turns gradients into a step?"""
