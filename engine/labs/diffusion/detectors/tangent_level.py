"""Detector `tangent_level`: a consistency training that runs away without a spike."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from engine.labs.detector import Detector
from engine.runs.event import Event

OPENING = 100
FACTOR = 30.0
MEMORY = 50
LONG = 50


class TangentLevel(Detector):
    """Fires when the derivative of a consistency model has stood above 30 times its own beginning for 50 steps in a row.

    The level is a moving average over 50 steps of `tangent/derivative`, the beginning the median of its first 100 values.  A
    normalised tangent bounds loss and gradient, so a training can drift away for ever while neither spikes; its derivative shows it.
    A non-finite value counts as too high.  Fires once per episode: the level has to come back under the threshold first."""

    watches = ("tangent/derivative",)
    fatal = True

    def __init__(self, knobs: Mapping[str, Any] | None = None) -> None:
        self.opening: list[float] = []
        self.level, self.above = 0.0, 0

    def update(self, step: int, readings: Mapping[str, float]) -> Sequence[Event]:
        value = readings.get("tangent/derivative")
        if value is None:
            return ()
        if len(self.opening) < OPENING:
            if math.isfinite(value):
                self.opening.append(value)
                self.level = median(self.opening)
            return ()
        threshold = FACTOR * median(self.opening)
        if math.isfinite(value):
            self.level += (value - self.level) / MEMORY
        too_high = not math.isfinite(value) or self.level > threshold
        self.above = self.above + 1 if too_high else 0
        if self.above != LONG:
            return ()
        message = f"tangent/derivative has stood above {threshold:.4g}, 30 times its beginning, for {LONG} steps; it is now {value:.4g}."
        return [Event(step, "divergence", self.rule, value=self.level, threshold=threshold, message=message)]

    @classmethod
    def example(cls) -> tuple[list[dict[str, float]], list[int]]:
        """The derivative jumps to 300 times its beginning at step 150; the average is past 30 times at step 155."""
        return [{"tangent/derivative": 1.0 if step < 150 else 300.0} for step in range(260)], [204]
