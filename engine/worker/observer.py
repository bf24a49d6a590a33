"""The observer of one training: asks the probes, hands their readings to the detectors, writes both to the spool.

It changes nothing in the training: its work runs without gradients, and a run without it has the same losses, bit for bit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from time import perf_counter
from typing import Any

import torch
from torch import nn

from engine.labs.detector import Detector
from engine.labs.lab import Lab
from engine.labs.probe import Probe, Reading, Step, attached
from engine.runs.event import Event
from engine.runs.pictures import Picture, Pictures
from engine.runs.series import Series, series_key
from engine.runs.spool import Spool
from engine.worker.transfer import Arrived, Readings


class Observer:
    """`begin`, `gradients`, `after` in each step; `finish` at the end.  `fatal`: the first event of a fatal detector."""

    def __init__(
        self,
        lab: Lab,
        model: nn.Module,
        spool: Spool,
        device: torch.device,
        probes: Mapping[str, type[Probe]],
        detectors: Mapping[str, type[Detector]],
    ) -> None:
        self.probes = {name: kind(lab, model) for name, kind in attached(dict(probes), lab.probes, lab.provides).items()}
        knobs = lab.flat()
        self.detectors = {name: kind(knobs) for name, kind in detectors.items()}
        self.fatal: Event | None = None  # of this attempt
        self.diverged = False  # of any attempt
        self.seconds = 0.0  # spent on observing since the start of this attempt
        self._spool, self._readings = spool, Readings(device)
        self._watched = frozenset(name for kind in detectors.values() for name in kind.watches)
        self._units = {m.name: m.unit for kind in probes.values() for m in kind.metrics}
        self._pictures = Pictures(spool.path.parent)
        self._keys: dict[Series, str] = {}  # series already described in the spool -> NAME or NAME@LAYER
        self._shapes: dict[Series, tuple[int, ...]] = {}  # and with which shape
        self._due: list[Probe] = []
        self._new: list[Reading] = []
        self._noted: list[Event] = []

    @property
    def lag(self) -> int:
        """Steps that may pass between a reading and its detectors; 0 on the CPU."""
        return self._readings.lag

    @property
    def dropped(self) -> int:
        """Log calls and pictures that the disk refused."""
        return self._spool.dropped + self._pictures.dropped

    def begin(self, step: Step) -> None:
        """Before the forward pass."""
        started = perf_counter()
        self._due = [probe for probe in self.probes.values() if probe.due(step.number, step.steps)]
        for probe in self._due:
            probe.prepare(step)
        self.seconds += perf_counter() - started

    @torch.no_grad()
    def gradients(self, step: Step) -> None:
        """After the backward pass, before clipping."""
        started = perf_counter()
        for probe in self._due:
            self._new.extend(probe.gradients(step))
        self.seconds += perf_counter() - started

    @torch.no_grad()
    def after(self, step: Step) -> None:
        """After the optimizer step: the rest of the readings, and whatever has arrived goes to the spool."""
        started = perf_counter()
        step.scratch["observing_seconds"] = self.seconds
        always = [probe for probe in self._due if probe.every == 1]
        seldom = [probe for probe in self._due if probe.every != 1]
        for probes in (always, seldom):  # what is read at every step does not wait for pictures and passes of their own
            for probe in probes:
                self._take(step, probe)
            if self._new or self._noted:
                self._readings.put(step.number, self._new)
                self._new = []
            self._write(self._readings.arrived())
        self.seconds += perf_counter() - started

    def _take(self, step: Step, probe: Probe) -> None:
        for found in probe.after(step):
            if not isinstance(found, Picture):
                self._new.append(found)
            elif (event := self._pictures.take(step.number, found, last=step.last)) is not None:
                self._noted.append(event)

    def add(self, step: int, readings: Sequence[Reading] = (), events: Sequence[Event] = ()) -> None:
        """Readings and events from outside the probes (the final evaluation, a checkpoint)."""
        self._noted.extend(events)
        self._readings.put(step, readings)
        self._write(self._readings.arrived(all_of_them=True))

    def finish(self) -> None:
        """Wait for every reading that is still on its way."""
        self._write(self._readings.arrived(all_of_them=True))

    def state(self) -> dict[str, Any]:
        return {
            "probes": {name: probe.state() for name, probe in self.probes.items()},
            "detectors": {name: detector.state() for name, detector in self.detectors.items()},
            "pictures": self._pictures.state(),
            "diverged": self.diverged,
        }

    def load(self, state: Mapping[str, Any], step: int) -> None:
        """Take up a checkpoint before `step`.  A detector whose state is of another version begins afresh, and an event says so."""
        for name in self.probes.keys() & state["probes"].keys():
            self.probes[name].load(state["probes"][name])
        for name in sorted(self.detectors.keys() & state["detectors"].keys()):
            try:
                self.detectors[name].load(state["detectors"][name])
            except ValueError as error:
                self._noted.append(Event(step, "checkpoint", name, message=f"The detector {name} begins afresh: {error}."))
        self._pictures.load(state.get("pictures", {}))
        self.diverged = state["diverged"]

    def _write(self, arrived: Iterable[Arrived]) -> None:
        for one in arrived:
            watched: dict[str, float] = {}
            for series, value in one.scalars.items():
                key = self._keys.get(series) or self._describe(series)
                if series[0] in self._watched:
                    watched[key] = value
            for series, shape in one.shapes.items():
                if self._shapes.get(series) != shape:
                    self._describe(series, shape)
            events = [event for detector in self.detectors.values() for event in self._ask(detector, one.step, watched)]
            self._spool.log(one.step, one.scalars, one.vectors, [*events, *self._noted], one.t)
            self._noted.clear()

    def _ask(self, detector: Detector, step: int, watched: Mapping[str, float]) -> Sequence[Event]:
        events = detector.update(step, watched) if watched else ()
        if events and detector.fatal and self.fatal is None:
            self.fatal, self.diverged = events[0], True
        return events

    def _describe(self, series: Series, shape: tuple[int, ...] = ()) -> str:
        name, layer = series
        unit = self._units.get(name, self._units.get(f"{name.partition('/')[0]}/…", ""))
        self._spool.describe(name, unit=unit, layer=layer, shape=shape)
        self._shapes[series], self._keys[series] = shape, series_key(name, layer)
        return self._keys[series]
