"""Detector `loss_spike`: a training loss that jumps out of its own recent range."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
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
        return {"window": [], "dips": [], "logs": True, "middle": 0.0, "scale": 1.0}

    def threshold(self, name: str, step: int, value: float, s: Series) -> float:
        window = s["window"]
        if len(window) < WINDOW:
            return math.inf
        s["logs"] = value > 0.0 and min(window) > 0.0
        s["middle"], s["scale"] = _range(window, s["logs"])
        if step < self.start:
            return math.inf
        highest = s["middle"] + self._largest_z(s) * s["scale"]
        return math.exp(min(700.0, highest)) if s["logs"] else highest

    def note(self, name: str, value: float, s: Series) -> None:
        window = s["window"]
        if len(window) == WINDOW and (dip := _dip(window, value, s)) > 0.0:
            s["dips"] = [*(one for one in s["dips"] if one[1] > dip), [s["read"], dip]]  # only what may still become the deepest
        if s["dips"] and s["dips"][0][0] <= s["read"] - DIPS:
            s["dips"] = s["dips"][1:]
        s["window"] = [*window, value][-WINDOW:]

    def sentence(self, name: str, step: int, value: float, level: float, threshold: float, s: Series) -> str:
        z = ((math.log(value) if s["logs"] else value) - s["middle"]) / s["scale"]
        return (
            f"The loss jumps to {value:.4g}: z = {z:.1f} above the median {math.exp(s['middle']) if s['logs'] else s['middle']:.4g} of the "
            f"{WINDOW} steps before (threshold z > {self._largest_z(s):.3g})."
        )

    @staticmethod
    def _largest_z(s: Series) -> float:
        return max(LARGEST_Z, DIP_FACTOR * s["dips"][0][1]) if s["dips"] else LARGEST_Z

    @classmethod
    def example(cls) -> tuple[list[dict[str, float]], list[int]]:
        losses = [3.0 * math.exp(-step / 300) * (1 + 0.02 * math.sin(1.7 * step)) for step in range(200)]
        for step in (100, 101, 104, 150):
            losses[step] *= 2.0
        return [{"loss/train": loss} for loss in losses], [100, 150]


def _range(window: Sequence[float], logs: bool) -> tuple[float, float]:
    """-> median and scale of what came before, of the logarithms or of the losses themselves."""
    ordered = sorted([math.log(loss) for loss in window] if logs else window)
    middle = _middle(ordered)
    floor = FLOOR if logs else max(TINY, FLOOR * _middle(sorted([abs(loss) for loss in window])))
    return middle, 1.4826 * _middle(sorted([abs(x - middle) for x in ordered])) + floor


def _middle(ordered: Sequence[float]) -> float:
    """The median of an even number of values in their order."""
    half = len(ordered) // 2
    return (ordered[half - 1] + ordered[half]) / 2.0


def _dip(window: Sequence[float], value: float, s: Series) -> float:
    """How far the newest loss of the window lies under both of its neighbours and the median, in z; 0 where it does not."""
    if window[-1] >= min(window[-2], value):
        return 0.0
    left, newest, right = (math.log(loss) if s["logs"] else loss for loss in (*window[-2:], value))
    return max(0.0, min(left, right, s["middle"]) - newest) / s["scale"]
