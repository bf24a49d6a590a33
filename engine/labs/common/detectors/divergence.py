"""Detector `divergence`: a training that has left for good, not for a moment."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from engine.labs.detector import Detector
from engine.runs.event import Event

MEMORY = 50
LONG_MEMORY = 200
LONG = 50
OPENING = 5
LOSS_FACTOR = 1.5
NOISE_FACTOR = 0.4
FAR = 10.0

EMPTY = {"sum": 0.0, "slow": 0.0, "squares": 0.0, "count": 0, "opening": -math.inf, "bar": math.inf, "above": 0}


class Divergence(Detector):
    """Fires when a level is too high for 50 steps in a row; a non-finite value counts as too high.

    The level is a bias-corrected moving average over 50 steps.  For the loss, too high means above where it began (the largest
    of the first 5 losses) and above its bar: the lowest that 1.5 × average + 0.4 × standard deviation over 200 steps has been.
    For the norm of the whole gradient it means above 10 times the largest of its first 50 values.  Fires once per episode:
    the level has to come back under the threshold first.

    Differs: from the usual rule (level above max(1.5 × best level, first loss)), because mere noise fired it.  Hence the slower
    average, the standard deviation (0.4 of it is four standard errors of the level), the 5 losses in place of one, and a bar
    that counts only once 50 values are averaged; until then, and at most, it is 10 times where the loss began.  The
    gradient norm falls and rises in healthy runs: its factor 10 was chosen so that they never fire it."""

    watches = ("loss/train", "grad_norm")
    fatal = True

    def __init__(self, knobs: Mapping[str, Any] | None = None) -> None:
        self.levels = {name: dict(EMPTY) for name in self.watches}

    def update(self, step: int, readings: Mapping[str, float]) -> Sequence[Event]:
        return [event for name in self.watches if name in readings for event in self._level(step, name, readings[name])]

    def _level(self, step: int, name: str, value: float) -> Sequence[Event]:
        s = self.levels[name]
        threshold = self._threshold(name, s)
        level = value
        if math.isfinite(value):
            s["count"] += 1
            s["sum"], level = _average(s["sum"], value, MEMORY, s["count"])
            s["slow"], slow = _average(s["slow"], value, LONG_MEMORY, s["count"])
            if s["count"] <= (OPENING if name == "loss/train" else MEMORY):
                s["opening"] = max(s["opening"], value)
            s["squares"], squares = _average(s["squares"], value * value, LONG_MEMORY, s["count"])
            if s["count"] >= MEMORY:
                deviation = math.sqrt(max(0.0, squares - slow * slow)) if math.isfinite(squares) else math.inf
                s["bar"] = min(s["bar"], LOSS_FACTOR * slow + NOISE_FACTOR * deviation)
        s["above"] = s["above"] + 1 if not level <= threshold else 0
        if s["above"] != LONG:
            return ()
        if math.isfinite(level):
            message = f"{name} has stood above {threshold:.4g} for {LONG} steps; its level is now {level:.4g}."
        else:
            message = f"{name} has been out of bounds for {LONG} steps and is no finite number now."
        return [Event(step, "divergence", self.rule, value=level, threshold=threshold, message=message)]

    def _threshold(self, name: str, s: Mapping[str, float]) -> float:
        """From what was known before this step; infinite while too little is."""
        if name == "grad_norm":
            return FAR * s["opening"] if s["count"] >= MEMORY else math.inf
        if s["count"] < OPENING:
            return math.inf
        return max(s["opening"], min(s["bar"], FAR * s["opening"]))

    @classmethod
    def example(cls) -> tuple[list[dict[str, float]], list[int]]:
        """The loss leaves at step 150, its level crosses the threshold at step 153, and the rule fires when it has stayed there."""
        losses = [3.0 * math.exp(-step / 100) + 0.5 if step < 150 else 30.0 for step in range(260)]
        return [{"loss/train": loss, "grad_norm": 1.0} for loss in losses], [202]


def _average(sum_so_far: float, value: float, memory: int, count: int) -> tuple[float, float]:
    """One value more in an exponential moving average -> (its raw sum, the average corrected for its start at 0)."""
    keep = 1.0 - 1.0 / memory
    raw = keep * sum_so_far + value / memory
    return raw, raw / (1.0 - keep**count)
