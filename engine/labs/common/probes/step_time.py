"""Probe `step_time`: how long a step takes, and how much of it goes into watching."""

from __future__ import annotations

from collections.abc import Iterable
from time import perf_counter
from typing import TYPE_CHECKING

from engine.labs.probe import Metric, Probe, Reading, Step

if TYPE_CHECKING:
    from torch import nn

    from engine.labs.lab import Lab


class StepTime(Probe):
    """Wall-clock time from the end of one step to the end of the next, data included, and the part spent on observing.

    On a GPU both are the time of the host, which runs ahead of the device."""

    price = "free"
    metrics = (
        Metric("time/step", "wall-clock time of the step", unit="s"),
        Metric("time/probes", "of that, time spent on probes, detectors and the spool", unit="s"),
    )

    def __init__(self, lab: Lab, model: nn.Module) -> None:
        self.ended, self.observed = perf_counter(), 0.0

    def after(self, step: Step) -> Iterable[Reading]:
        now, observed = perf_counter(), step.scratch["observing_seconds"]
        readings = [Reading("time/step", now - self.ended), Reading("time/probes", observed - self.observed)]
        self.ended, self.observed = now, observed
        return readings
