"""Detector `loss_spike`: a training loss that jumps out of its own recent range."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from engine.labs.detector import Detector, Series

WINDOW = 64
FLOOR = 1e-3
LARGEST_Z = 6.0
DIPS = 512  # steps whose dips are remembered
DIP_FACTOR = 2.0
TINY = 1e-12


class LossSpike(Detector):
    """Robust z of the log-loss against the 64 steps before it:  z = (log L - median) / (1.4826 MAD + 0.001), a spike when z > 6.

    The present value is never part of its own baseline.  Starts once the warm-up is over and 64 values are there.  Exceedances
    fewer than 10 steps apart are one spike, reported at its onset.  Non-finite losses belong to `nonfinite` and are passed over.

    Differs: from a plain z in two ways.  While a loss of 0 or less is among these 65 there are no logarithms, and L itself
    takes the place of log L; the 0.001 is then that part of the median of |L|, so that for positive losses both say the same of
    small changes.  And where single batches go far *down* as well, as heavy-tailed noise does and a spike does not, z must also pass
    twice the deepest dip of the last 512 steps: how far, in z, a loss lay below its two neighbours and the median."""

    watches = ("loss/train",)
    kind = "spike"
    long = 1
    lately = 1
    quiet = 10
    nonfinite_is_high = False

    def __init__(self, knobs: Mapping[str, Any] | None = None) -> None:
        super().__init__(knobs)
        self.start = int((knobs or {}).get("warmup", 0))

    def memory(self) -> dict[str, Any]:
        return {"window": [], "dips": []}

    def threshold(self, name: str, step: int, value: float, s: Series) -> float:
        if step < self.start or len(s["window"]) < WINDOW:
            return math.inf
        logs = _logarithmic([*s["window"], value])
        middle, scale = _range(s["window"], logs)
        highest = middle + self._largest_z(s) * scale
        return math.exp(min(700.0, highest)) if logs else highest

    def note(self, name: str, value: float, s: Series) -> None:
        before = s["window"]
        if len(before) == WINDOW:
            s["dips"] = [*s["dips"], _dip(before, value)][-DIPS:]
        s["window"] = [*before, value][-WINDOW:]

    def sentence(self, name: str, step: int, value: float, level: float, threshold: float, s: Series) -> str:
        logs = _logarithmic([*s["window"], value])
        middle, scale = _range(s["window"], logs)
        z = ((math.log(value) if logs else value) - middle) / scale
        return (
            f"The loss jumps to {value:.4g}: z = {z:.1f} above the median {math.exp(middle) if logs else middle:.4g} of the {WINDOW} steps "
            f"before (threshold z > {self._largest_z(s):.3g})."
        )

    @staticmethod
    def _largest_z(s: Series) -> float:
        return max(LARGEST_Z, DIP_FACTOR * max(s["dips"], default=0.0))

    @classmethod
    def example(cls) -> tuple[list[dict[str, float]], list[int]]:
        losses = [3.0 * math.exp(-step / 300) * (1 + 0.02 * math.sin(1.7 * step)) for step in range(200)]
        for step in (100, 101, 104, 150):
            losses[step] *= 2.0
        return [{"loss/train": loss} for loss in losses], [100, 150]


def _logarithmic(losses: Sequence[float]) -> bool:
    return min(losses) > 0.0


def _range(window: Sequence[float], logs: bool) -> tuple[float, float]:
    """-> median and scale of what came before, of the logarithms or of the losses themselves."""
    floor = FLOOR
    if logs:
        window = [math.log(loss) for loss in window]
    else:
        floor = max(TINY, FLOOR * median(abs(loss) for loss in window))
    middle = median(window)
    return middle, 1.4826 * median(abs(x - middle) for x in window) + floor


def _dip(window: Sequence[float], value: float) -> float:
    """How far the newest loss of the window lies under both of its neighbours and the median, in scales; 0 where it does not."""
    if window[-1] >= min(window[-2], value):
        return 0.0
    logs = _logarithmic([*window, value])
    middle, scale = _range(window, logs)
    left, newest, right = (math.log(loss) if logs else loss for loss in (*window[-2:], value))
    return max(0.0, min(left, right, middle) - newest) / scale
