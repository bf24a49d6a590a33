"""Detector `feature_growth`: features that have left their scale while loss and gradient look harmless."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from engine.labs.detector import Detector
from engine.runs.event import Event

METRIC = "feature_norm/train"
FACTOR = 1e4
LONG = 20


class FeatureGrowth(Detector):
    """Fires when the squared norm of the last decoder block's features has stood above 10,000 times its first value (100
    times in length) for 20 steps in a row; a non-finite value counts as above.

    Normalisation hides such a stream from the loss, so there is no spike to see: only its level shows it.  Fires once per episode."""

    watches = (METRIC,)

    def __init__(self, knobs: Mapping[str, Any] | None = None) -> None:
        self.opening: float | None = None  # the first finite value, of the network as it began
        self.above = 0

    def update(self, step: int, readings: Mapping[str, float]) -> Sequence[Event]:
        if METRIC not in readings:
            return ()
        value = readings[METRIC]
        if self.opening is None:
            self.opening = value if math.isfinite(value) else None
            return ()
        threshold = FACTOR * self.opening
        self.above = self.above + 1 if not value <= threshold else 0
        if self.above != LONG:
            return ()
        message = (
            f"The features have stood above {threshold:.3g} for {LONG} steps, 10,000 times where they began; they are now {value:.3g}."
        )
        return [Event(step, "growth", self.rule, value=value, threshold=threshold, message=message)]

    @classmethod
    def example(cls) -> tuple[list[dict[str, float]], list[int]]:
        """The features grow tenfold every 10 steps from step 30 on: they cross the threshold at step 71."""
        return [{METRIC: 5.0 * 10.0 ** max(0.0, (step - 30) / 10)} for step in range(120)], [90]
