"""Detector `divergence`: a training that has left for good, not for a moment."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from engine.detector import Detector, Event

MEMORY = 50
LONG = 50
LOSS_FACTOR = 1.5
GRADIENT_FACTOR = 10.0


class Divergence(Detector):
    """Fires when a level is too high for 50 steps in a row; a non-finite value counts as too high.

    The level is a bias-corrected moving average over 50 steps.  For the loss, too high means above both 1.5 times its best
    level and the first loss.  For the norm of the whole gradient it means above 10 times the largest norm of the first 50 steps.
    Tells once per episode: the level has to come back under the threshold first.

    Differs: the published level rule is for the loss alone.  A gradient norm falls and rises by itself in a healthy run, often
    beyond 1.5 times its best, so its rule starts from the largest early norm, and the factor 10 was chosen so that healthy runs
    never fire it."""

    watches = ("loss/train", "grad_norm")
    fatal = True

    def __init__(self, knobs: Mapping[str, Any] | None = None) -> None:
        self.levels = {name: {"sum": 0.0, "weight": 0.0, "count": 0, "first": 0.0, "best": math.inf, "above": 0} for name in self.watches}

    def update(self, step: int, readings: Mapping[str, float]) -> Sequence[Event]:
        return [event for name in self.watches if name in readings for event in self._level(step, name, readings[name])]

    def _level(self, step: int, name: str, value: float) -> Sequence[Event]:
        s = self.levels[name]
        threshold = self._threshold(name, s)
        if math.isfinite(value):
            keep = 1.0 - 1.0 / MEMORY
            s["sum"], s["weight"] = keep * s["sum"] + value / MEMORY, keep * s["weight"] + 1.0 / MEMORY
            level = s["sum"] / s["weight"]
            s["best"] = min(s["best"], level)
            if name == "grad_norm" and s["count"] < MEMORY:
                s["first"] = max(s["first"], value)
            elif s["count"] == 0:
                s["first"] = value
            s["count"] += 1
        else:
            level = value
        s["above"] = s["above"] + 1 if not level <= threshold else 0
        if s["above"] != LONG:
            return ()
        if not math.isfinite(level):
            says = f"{name} has not been a finite number for {LONG} steps."
        else:
            says = f"{name} has stood above {threshold:.4g} for {LONG} steps, now at {level:.4g}."
        return [Event(step, "divergence", self.rule, value=level, threshold=threshold, says=says)]

    def _threshold(self, name: str, s: Mapping[str, float]) -> float:
        """From what was known before this step; infinite while nothing is."""
        if name == "grad_norm":
            return GRADIENT_FACTOR * s["first"] if s["count"] >= MEMORY else math.inf
        return max(LOSS_FACTOR * s["best"], s["first"]) if s["count"] else math.inf

    @classmethod
    def example(cls) -> tuple[list[dict[str, float]], list[int]]:
        """The loss leaves at step 150; its level crosses the threshold some steps later, and 50 steps after that the rule fires."""
        losses = [3.0 * math.exp(-step / 100) + 0.5 if step < 150 else 30.0 for step in range(260)]
        return [{"loss/train": loss, "grad_norm": 1.0} for loss in losses], [204]
