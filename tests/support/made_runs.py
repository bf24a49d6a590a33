"""Runs made by hand, through the same spool and folder that a worker uses: finished ones, broken ones, and one that grows."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from engine.core.files import write_json
from engine.declare import editions
from engine.runs.ending import CODES
from engine.runs.event import Event
from engine.runs.folder import RunFolder, reserve
from engine.runs.formats import FORMAT
from engine.runs.pictures import Picture, Pictures
from engine.runs.spool import Spool
from tests.support.minded import let_go, mind

LAYER = "blocks.1.moe"  # that of the metric which decides the preset `collapse`
EXPERTS = 8
KNOBS = {"seed": 0, "steps": 120, "lr": 1e-3, "router": {"is": "softmax_top_k", "k": 1, "balance_weight": 0.0}}
DRAWN = {"experts": EXPERTS, "layers": 2}  # what the schematic of a run is made from


class MadeRun:
    """One run under construction.  While it lives it counts as running, because its process is this one."""

    def __init__(
        self,
        data: Path,
        *,
        lab: str = "moe",
        preset: str = "collapse",
        steps: int = 120,
        knobs: Mapping[str, Any] = KNOBS,
        began: float = 0.0,
    ) -> None:
        self.folder: RunFolder = reserve(data, lab)
        self.lab = lab
        self.steps, self.preset, self.knobs = steps, preset, dict(knobs)
        self.began = began or time.time() - steps
        self.spool = Spool(self.folder.path / "spool.1.bin", self.folder.run)
        self.spool.describe("loss/train", unit="nats")
        self.pictures = Pictures(self.folder.path)
        self.step = 0
        self._last = -1

    @property
    def run(self) -> str:
        return self.folder.run

    def declare(self, twin: str | None = None) -> MadeRun:
        """The declaration comes last, so that nobody takes the run for a queued one."""
        mind(self.folder)
        self._state()
        spec = {
            "preset": self.preset,
            "knobs": self.knobs,
            "who": "a test",
            "parent": None,
            "twin": twin,
            "sweep": None,
            "edition": today.number if (today := editions.today(self.lab)) else 1,
            "format": FORMAT,
        }
        write_json(self.folder.path / "spec.json", {"run": self.run, "lab": self.lab, **spec, "created": self.began})
        (self.folder.path / "out.log").write_text("reading the text\nstep 0\n")
        write_json(
            self.folder.path / "provenance.json", {"commit": "0123abc", "python": "3.11", "packages": {"torch": "2.13"}, "device": "cpu"}
        )
        return self

    def log(
        self, scalars: Mapping[str, float], *, step: int | None = None, load: Iterable[float] | None = None, events: Iterable[Event] = ()
    ) -> None:
        """One step: `scalars` by NAME or NAME@LAYER."""
        step = self.step if step is None else step
        named = {(name.partition("@")[0], name.partition("@")[2]): value for name, value in scalars.items()}
        vectors = {("router/load", LAYER): list(load)} if load is not None else None
        assert self.spool.log(step, named, vectors, list(events), t=self.began + step)
        self.step = step + 1

    def draw(self, name: str, pixels: np.ndarray, message: str = "", step: int | None = None) -> None:
        """A picture, and the event that announces it."""
        event = self.pictures.take(self.step if step is None else step, Picture(name, pixels, message))
        assert event is not None
        assert self.spool.log(event.step, events=[event])

    def count_bytes(self, counts: np.ndarray) -> None:
        """What the probe `router_bytes` tells: (experts, 256)."""
        self.vector("router/bytes", counts, unit="assignments")

    def vector(self, metric: str, values: np.ndarray, unit: str = "") -> None:
        """An array of the layer that everything here is about."""
        self.spool.describe(metric, unit=unit, layer=LAYER, shape=values.shape)
        assert self.spool.log(self.step, vectors={(metric, LAYER): values.ravel().tolist()}, t=self.began + self.step)

    def end(self, status: str = "finished", message: str = "") -> MadeRun:
        self.spool.close()
        self._state(phase="saving")
        self.folder.write_exit(status, code=CODES.get(status), message=message)
        let_go(self.folder)
        return self

    def _state(self, phase: str = "training") -> None:
        state = {
            "step": self.step,
            "steps": self.steps,
            "phase": phase,
            "step_seconds": 0.05,
            "dropped": 0,
            "attempt": 1,
            "probe_share": 0.04,
        }
        write_json(self.folder.path / "state.json", {**state, "updated": time.time()})

    def tick(self) -> None:
        self._state()


def readings(step: int, *, healthy: bool) -> tuple[dict[str, float], list[float]]:
    """Made-up readings of one step of a router that collapses, or does not."""
    sharpness = 0.15 if healthy else 0.15 + 2.6 * (1 - math.exp(-step / 30))
    raw = [math.exp(sharpness * math.sin(1.7 * expert + 0.4)) * (1 + 0.1 * math.sin(step + expert)) for expert in range(EXPERTS)]
    load = [value / sum(raw) for value in raw]
    entropy = -sum(p * math.log(p) for p in load) / math.log(EXPERTS)
    wobble = 0.06 * math.sin(2.3 * step) * math.cos(0.7 * step)
    scalars = {
        "loss/train": 2.4 + 3 * math.exp(-step / 35) + wobble * (1 if step else 0),
        "grad_norm": 0.8 + math.exp(-step / 20) + abs(wobble),
        f"router/entropy@{LAYER}": entropy,
        f"router/dead_experts@{LAYER}": float(sum(p < 0.1 / EXPERTS for p in load)),
        f"router/max_violation@{LAYER}": max(load) * EXPERTS - 1,
        f"router/max_violation_noise@{LAYER}": 0.3,
    }
    return scalars, load


def finished_run(data: Path, *, preset: str = "collapse", steps: int = 120, healthy: bool = False, twin: str | None = None) -> MadeRun:
    made = MadeRun(data, preset=preset, steps=steps).declare(twin)
    for step in range(steps):
        scalars, load = readings(step, healthy=healthy)
        made.log(scalars, load=load)
    made.log({"loss/validation": 2.5}, step=steps - 1)
    return made.end()


def finished_twins(data: Path, steps: int = 120, more: Mapping[str, Any] | None = None) -> tuple[MadeRun, MadeRun]:
    """-> (broken, cured), which name each other; `more` knobs of both."""
    knobs = {**KNOBS, **(more or {})}
    cured_knobs = {**knobs, "router": {"is": "loss_free", "k": 1, "gate": "softmax", "update_rate": 1e-2}}
    broken = MadeRun(data, steps=steps, knobs=knobs)
    cured = MadeRun(data, preset="collapse_cured", steps=steps, knobs=cured_knobs)
    for made, healthy in ((broken, False), (cured, True)):
        made.declare(twin=cured.run if made is broken else broken.run)
        for step in range(steps):
            scalars, load = readings(step, healthy=healthy)
            made.log(scalars, load=load)
        made.log({"loss/validation": 2.5}, step=steps - 1)
        made.end()
    return broken, cured


def non_finite_run(data: Path, *, steps: int = 100) -> MadeRun:
    """NaN at step 37 and +Inf at step 53 in the training loss; everything else is ordinary."""
    made = MadeRun(data, preset="non_finite", steps=steps).declare()
    for step in range(steps):
        scalars, load = readings(step, healthy=True)
        scalars["loss/train"] = {37: math.nan, 53: math.inf}.get(step, scalars["loss/train"])
        odd = not math.isfinite(scalars["loss/train"])
        event = Event(step, "nonfinite", "nonfinite", value=scalars["loss/train"], message=f"loss/train was not finite at step {step}.")
        made.log(scalars, load=load, events=[event] if odd else [])
    return made.end()


def spiky_run(data: Path, *, steps: int = 100, at: int = 60, height: float = 40.0, low: Iterable[int] = ()) -> MadeRun:
    """One spike of one step, announced by an event; zero loss at the steps of `low`."""
    made, low = MadeRun(data, preset="lr_burst", steps=steps).declare(), set(low)
    for step in range(steps):
        scalars, _ = readings(step, healthy=True)
        plain = {"loss/train": scalars["loss/train"], "grad_norm": scalars["grad_norm"]}
        event = Event(step, "spike", "loss_spike", value=height, threshold=6.0, message="The loss stands far above its recent course.")
        plain["loss/train"] = height if step == at else 0.0 if step in low else plain["loss/train"]
        made.log(plain, events=[event] if step == at else [])
    return made.end()
