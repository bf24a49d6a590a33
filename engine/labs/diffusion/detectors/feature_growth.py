"""Detector `feature_growth`: features that have left their scale while loss and gradient look harmless."""

from __future__ import annotations

import math

from engine.labs.detector import Detector, Series

METRIC = "feature_norm/train"
FACTOR = 1e4


class FeatureGrowth(Detector):
    """Fires when the squared norm of the last decoder block's features has stood above 10,000 times its baseline (100
    times in length) for 20 steps in a row; a non-finite value counts as above.

    The baseline is the lowest median of 3 readings in a row among the first 20: the network as it began, although the features may
    have left within five steps.  Normalisation hides such a stream from the loss, so there is no spike to see: only its level shows it.
    Fires once per episode."""

    watches = (METRIC,)
    kind = "growth"
    long = 20
    lately = 1

    def threshold(self, name: str, step: int, value: float, s: Series) -> float:
        return math.inf if s["baseline"] is None else FACTOR * s["baseline"]

    def sentence(self, name: str, step: int, value: float, level: float, threshold: float, s: Series) -> str:
        if threshold == math.inf:
            return f"{name} has been out of bounds for {self.long} steps, before it showed where it begins."
        return (
            f"The features have stood above {threshold:.3g} for {self.long} steps, 10,000 times where they began; they are now {value:.3g}."
        )

    @classmethod
    def example(cls) -> tuple[list[dict[str, float]], list[int]]:
        """The features grow tenfold every 10 steps from step 30 on: they cross the threshold at step 71."""
        return [{METRIC: 5.0 * 10.0 ** max(0.0, (step - 30) / 10)} for step in range(120)], [90]
