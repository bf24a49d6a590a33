"""Detector `loss_spike`: a training loss that jumps out of its own recent range."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from engine.labs.detector import Detector
from engine.runs.event import Event

WINDOW = 64
FLOOR = 1e-3
LARGEST_Z = 6.0
APART = 10


class LossSpike(Detector):
    """Robust z of the log-loss against the 64 steps before it:  z = (log L - median) / (1.4826 MAD + 0.001), a spike when z > 6.

    The present value is never part of its own baseline.  Starts once the warm-up is over and 64 values are there.  Exceedances
    fewer than 10 steps apart are one spike, reported at its onset.  Non-finite losses belong to `nonfinite`, and a loss of 0 or less
    has no logarithm: both are passed over."""

    watches = ("loss/train",)

    def __init__(self, knobs: Mapping[str, Any] | None = None) -> None:
        self.start = int((knobs or {}).get("warmup", 0))
        self.window: list[float] = []
        self.exceeded_at = -APART

    def update(self, step: int, readings: Mapping[str, float]) -> Sequence[Event]:
        loss = readings.get("loss/train", math.nan)
        if not math.isfinite(loss) or loss <= 0.0:
            return ()
        now, window = math.log(loss), self.window
        events: list[Event] = []
        if len(window) == WINDOW:
            if step >= self.start:
                middle = median(window)
                scale = 1.4826 * median(abs(x - middle) for x in window) + FLOOR
                z = (now - middle) / scale
                if z > LARGEST_Z:
                    if step - self.exceeded_at >= APART:
                        events.append(self._event(step, loss, z, middle, scale))
                    self.exceeded_at = step
            window.pop(0)
        window.append(now)
        return events

    def _event(self, step: int, loss: float, z: float, middle: float, scale: float) -> Event:
        threshold = math.exp(min(700.0, middle + LARGEST_Z * scale))
        message = (
            f"The loss jumps to {loss:.4g}: z = {z:.1f} above the median {math.exp(middle):.4g} of the {WINDOW} steps before "
            f"(threshold z > {LARGEST_Z:g})."
        )
        return Event(step, "spike", self.rule, value=loss, threshold=threshold, message=message)

    @classmethod
    def example(cls) -> tuple[list[dict[str, float]], list[int]]:
        losses = [3.0 * math.exp(-step / 300) * (1 + 0.02 * math.sin(1.7 * step)) for step in range(200)]
        for step in (100, 101, 104, 150):
            losses[step] *= 2.0
        return [{"loss/train": loss} for loss in losses], [100, 150]
