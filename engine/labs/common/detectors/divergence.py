"""Detector `divergence`: a training that has left for good, not for a moment."""

from __future__ import annotations

import math
from typing import Any

from engine.labs.detector import Detector, Series

MEMORY = 200
KNOWN = 50  # finite values before the bar counts
FIRST = 5
LOSS_FACTOR = 1.5
NOISE_FACTOR = 0.4
FAR = 10.0
GRADIENT_FACTOR = 100.0


class Divergence(Detector):
    """Fires when a level is too high for 50 steps in a row; a non-finite value counts as too high, from the first step on.

    The level is the median of the last 9 readings.  For the loss, too high means above where it began (the largest of the first 5
    losses that are not far above its baseline) and above its bar: the lowest that 1.5 × average + 0.4 × standard deviation over 200
    steps has been.  For the norm of the whole gradient it means above 100 times its baseline, the lowest median of 3 readings in a
    row among the first 20.  Fires once per episode: the level has to come back under the threshold first.

    Where the average has been 0 or less no factor can scale the loss: 1.5 × average becomes average + ½ |average|, which is the same for
    a positive one, and in place of where it began stands the middle between there and the lowest that the average has been.

    Differs: from the usual rule (level above max(1.5 × best level, first loss)), because mere noise fired it.  Hence the median
    in place of the value, the standard deviation, the 5 losses in place of one, and a bar that counts only once 50 values are averaged;
    until then, and at most, it is 10 times where the loss began.  The gradient norm falls and rises in healthy runs: its factor was
    chosen so that those of moe, unet and consistency do not fire it. One that leaves a long plateau fires it (preset clique_path)."""

    watches = ("loss/train", "grad_norm")
    kind = "divergence"
    fatal = True

    def memory(self) -> dict[str, Any]:
        return {"first": [], "sum": 0.0, "squares": 0.0, "count": 0, "bar": math.inf, "lowest": math.inf}

    def threshold(self, name: str, step: int, value: float, s: Series) -> float:
        if name == "grad_norm":
            return math.inf if s["baseline"] is None else GRADIENT_FACTOR * s["baseline"]
        if len(s["first"]) < FIRST:
            return math.inf
        began = _began(s)
        return max(began if s["lowest"] > 0.0 else (began + s["lowest"]) / 2.0, min(s["bar"], _far(s)))

    def note(self, name: str, value: float, s: Series) -> None:
        if name == "grad_norm" or not math.isfinite(value):
            return
        if len(s["first"]) < FIRST:
            s["first"] = [*s["first"], value]
        else:
            value = min(value, _far(s))  # one huge loss would stay in the averages for thousands of steps
        s["count"] += 1
        s["sum"], average = _average(s["sum"], value, s["count"])
        s["squares"], squares = _average(s["squares"], value * value, s["count"])
        if s["count"] >= KNOWN:
            deviation = math.sqrt(max(0.0, squares - average * average)) if math.isfinite(squares) else math.inf
            s["bar"] = min(s["bar"], average + (LOSS_FACTOR - 1.0) * abs(average) + NOISE_FACTOR * deviation)
            s["lowest"] = min(s["lowest"], average)

    def sentence(self, name: str, step: int, value: float, level: float, threshold: float, s: Series) -> str:
        if math.isfinite(level) and math.isfinite(threshold):
            return f"{name} has stood above {threshold:.4g} for {self.long} steps; its level is now {level:.4g}."
        now = f"it is now {value:.4g}" if math.isfinite(value) else "it is no finite number now"
        return f"{name} has been out of bounds for {self.long} steps; {now}."

    @classmethod
    def example(cls) -> tuple[list[dict[str, float]], list[int]]:
        """The loss leaves at step 150, its level crosses the threshold at step 154, and the rule fires when it has stayed there."""
        losses = [3.0 * math.exp(-step / 100) + 0.5 if step < 150 else 30.0 for step in range(260)]
        return [{"loss/train": loss, "grad_norm": 1.0} for loss in losses], [203]


def _began(s: Series) -> float:
    """The largest of the first losses; one that jumped up among them does not count, as far as the baseline can tell."""
    base = s["baseline"]
    near = [loss for loss in s["first"] if base is None or loss <= FAR * base]
    return max(near or s["first"])


def _far(s: Series) -> float:
    began = _began(s)
    return began + (FAR - 1.0) * abs(began)


def _average(sum_so_far: float, value: float, count: int) -> tuple[float, float]:
    """One value more in an exponential moving average -> (its raw sum, the average corrected for its start at 0)."""
    keep = 1.0 - 1.0 / MEMORY
    raw = keep * sum_so_far + value / MEMORY
    return raw, raw / (1.0 - keep**count)
