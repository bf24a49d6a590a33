"""Detector `tangent_level`: a consistency training that runs away without a spike."""

from __future__ import annotations

import math

from engine.labs.detector import Detector, Series

FACTOR = 100.0


class TangentLevel(Detector):
    """Fires when the derivative of a consistency model has stood above 100 times its baseline for 50 steps in a row.

    The level is the median of the last 9 readings of `tangent/derivative`, the baseline the lowest median of 3 in a row among the first
    20: a derivative that runs away within its first steps does not become the measure of itself.  A normalised tangent bounds loss and
    gradient, so a training can drift away for ever while neither spikes; its derivative shows it.  A non-finite value counts as
    too high.  Fires once per episode: the level has to come back under the threshold first.

    In sound trainings of this lab the derivative grows to at most 40 times its baseline; 100 was chosen with that in view."""

    watches = ("tangent/derivative",)
    kind = "divergence"
    fatal = True

    def threshold(self, name: str, step: int, value: float, s: Series) -> float:
        return math.inf if s["baseline"] is None else FACTOR * s["baseline"]

    def sentence(self, name: str, step: int, value: float, level: float, threshold: float, s: Series) -> str:
        if threshold == math.inf:
            return f"{name} has been out of bounds for {self.long} steps, before it showed where it begins."
        return f"{name} has stood above {threshold:.4g}, 100 times its beginning, for {self.long} steps; it is now {value:.4g}."

    @classmethod
    def example(cls) -> tuple[list[dict[str, float]], list[int]]:
        """The derivative jumps to 300 times its beginning at step 150; the median of the last 9 is there at step 154."""
        return [{"tangent/derivative": 1.0 if step < 150 else 300.0} for step in range(260)], [203]
