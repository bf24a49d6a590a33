"""Detector `nonfinite`: a loss or a gradient norm that is no number any more."""

from __future__ import annotations

import math

from engine.labs.detector import Detector, Series


class NonFinite(Detector):
    """Fires when the training loss or the norm of the whole gradient becomes NaN or infinite: once at the onset, and again
    only after ten steps without such a reading."""

    watches = ("loss/train", "grad_norm")
    kind = "nonfinite"
    long = 1
    lately = 1
    quiet = 11  # from one non-finite reading to the next, ten steps between them

    def threshold(self, name: str, step: int, value: float, s: Series) -> float:
        return math.inf

    def sentence(self, name: str, step: int, value: float, level: float, threshold: float, s: Series) -> str:
        word = "not a number" if math.isnan(value) else "infinite"
        return f"{name} is {word} from step {step} on."

    @classmethod
    def example(cls) -> tuple[list[dict[str, float]], list[int]]:
        readings = [{"loss/train": 2.0, "grad_norm": 0.5} for _ in range(60)]
        for step in (20, 21, 22, 25):
            readings[step]["loss/train"] = math.nan
        readings[50]["grad_norm"] = math.inf
        return readings, [20, 50]
