"""Detector `nonfinite`: a loss or a gradient norm that is no number any more."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from engine.labs.detector import Detector
from engine.runs.event import Event

QUIET = 10  # finite steps after which the next non-finite value is a new onset


class NonFinite(Detector):
    """Fires when the training loss or the norm of the whole gradient becomes NaN or infinite: once at the onset, and again
    only after ten finite steps in a row."""

    watches = ("loss/train", "grad_norm")

    def __init__(self, knobs: Mapping[str, Any] | None = None) -> None:
        self.finite_for = dict.fromkeys(self.watches, QUIET)

    def update(self, step: int, readings: Mapping[str, float]) -> Sequence[Event]:
        events = []
        for name in self.watches:
            value = readings.get(name)
            if value is None:
                continue
            if math.isfinite(value):
                self.finite_for[name] += 1
                continue
            if self.finite_for[name] >= QUIET:
                word = "not a number" if math.isnan(value) else "infinite"
                events.append(Event(step, "nonfinite", self.rule, value=value, message=f"{name} is {word} from step {step} on."))
            self.finite_for[name] = 0
        return events

    @classmethod
    def example(cls) -> tuple[list[dict[str, float]], list[int]]:
        readings = [{"loss/train": 2.0, "grad_norm": 0.5} for _ in range(60)]
        for step in (20, 21, 22, 25):
            readings[step]["loss/train"] = math.nan
        readings[50]["grad_norm"] = math.inf
        return readings, [20, 50]
