"""One attempt of a lab that plays (engine/labs/play.py): its steps asked for one by one, without Lightning.

Spool, detectors, probes, checkpoints, STOP, HOLD and the end of the run are those of every training.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Any, cast

import torch

from engine.labs.capabilities import Plays
from engine.labs.lab import Lab
from engine.labs.play import PlayContext, Played
from engine.labs.probe import Metric, Probe, Reading, Step
from engine.runs.folder import RunFolder
from engine.runs.pictures import Picture
from engine.worker import checkpoint
from engine.worker.begin import Begun, Kinds, begin, close
from engine.worker.observer import Observer
from engine.worker.progress import Last

LOOK_SECONDS = 0.05  # between two looks at STOP, HOLD and the clock, which cost as much as a small step
OWN = "played"  # the name under which the readings of the step itself stand among the probes


class NoModel(AttributeError):
    """A probe asked for a module or an optimizer, and a lab that plays has none."""


class _Nothing:
    """In the place of model and optimizer."""

    def __getattr__(self, name: str) -> Any:
        raise NoModel(f"A lab that plays has no model and no optimizer, so there is no {name}.")


NOTHING: Any = _Nothing()


class _Own(Probe):
    """What the step itself has measured, beside its losses, and its pictures."""

    price = "free"
    metrics: tuple[Metric, ...] = ()

    def after(self, step: Step) -> Iterable[Reading | Picture]:
        return [*step.scratch["readings"], *step.scratch["pictures"]]


def without_a_model(lab: Lab, probes: Kinds) -> Kinds:
    """Of all probes those that this lab answers: its own, and of those that every lab answers the ones that ask for nothing else.

    That is tried on a step without a module, an optimizer and its learning rate.
    """
    return {name: kind for name, kind in probes.items() if kind.needs or not _wants_more(kind, lab)} | {OWN: _Own}


def _wants_more(kind: type[Probe], lab: Lab) -> bool:
    step = Step(0, lab.steps, lab, NOTHING, {}, {"train": torch.zeros(())}, NOTHING, NOTHING, {"observing_seconds": 0.0})
    try:
        probe = kind(lab, NOTHING)
        probe.prepare(step)
        with torch.no_grad():
            readings = [*probe.gradients(step), *probe.after(step)]
    except (NoModel, TypeError):  # TypeError: it asks for the length or the items of a model
        return True
    return any(reading.value is NOTHING for reading in readings if isinstance(reading, Reading))


def play(lab: Lab, folder: RunFolder, stop_requested: Any = None, last: Last | None = None) -> str:
    """Play the lab in the run's folder -> "finished", "stopped" or "diverged", as engine.worker.fit.train does for a training.

    A lab that yields fewer steps than its knob allows has finished, too.
    """
    begun = begin(lab, folder, stop_requested, last, lambda probes: without_a_model(lab, probes))
    if begun is None:
        return "stopped"
    spool = begun.spool()
    try:
        observer = Observer(lab, NOTHING, spool, torch.device(lab.device), begun.probes, begun.detectors)
        playing = Playing(lab, begun, observer)
        try:
            playing.go()
        except Exception as error:
            begun.control.keep(playing, error)
            raise
        begun.control.conclude(playing)
    finally:
        close(spool)
    return begun.control.ending


class Playing:
    """The steps of one attempt; `state` is what its checkpoint holds."""

    def __init__(self, lab: Lab, begun: Begun, observer: Observer) -> None:
        self.lab, self.observer, self.progress, self.control = lab, observer, begun.progress, begun.control
        self.ctx = PlayContext(begun.folder.path, lab.seed, lab.steps, device=lab.device, stop_requested=self.control.asked_to_stop)
        if begun.resume is not None:
            self._load(begun.resume)

    def go(self) -> None:
        """Until the last step, or until somebody or the divergence rule ends it."""
        control, progress = self.control, self.progress
        control.tell("training")
        steps: Iterator[Played] = iter(cast(Plays, self.lab).play(self.ctx))
        looked = time.monotonic()
        control.between_steps(self)
        while not progress.over:
            started = time.perf_counter()
            progress.whole = False
            step = Step(progress.done, progress.steps, self.lab, NOTHING, {}, {}, NOTHING, NOTHING)
            self.observer.begin(step)
            played = next(steps, None)
            if played is None:
                progress.steps, progress.whole = progress.done, True
                return
            self._observe(step, played)
            progress.done, progress.whole = progress.done + 1, True
            progress.busy += (took := time.perf_counter() - started)
            progress.seconds.append(took)
            self._heed_divergence()
            if time.monotonic() - looked >= LOOK_SECONDS:
                control.between_steps(self)
                looked = time.monotonic()

    def _observe(self, step: Step, played: Played) -> None:
        losses = {r.metric.removeprefix("loss/"): r.value for r in played.readings if r.metric.startswith("loss/")}
        step.losses = cast(dict[str, torch.Tensor], losses)
        step.batch = dict(played.batch)
        step.scratch |= {"readings": [r for r in played.readings if not r.metric.startswith("loss/")], "pictures": [*self.ctx.pictures]}
        self.ctx.pictures.clear()
        self.observer.gradients(step)
        self.observer.after(step)
        if played.events:
            self.observer.add(step.number, events=played.events)

    def _heed_divergence(self) -> None:
        fatal = self.observer.fatal
        if fatal is not None and self.lab.on_divergence == "stop" and self.progress.end_after is None:
            self.progress.end_after = fatal.step + 1 + self.observer.lag

    def evaluate(self) -> None:
        """Nothing is left to be measured after the last step."""

    def state(self) -> dict[str, Any]:
        return {
            "step": self.progress.done,
            "played": self.ctx.state,
            "streams": {name: generator.get_state() for name, generator in self.ctx.generators.items()},
            "generators": checkpoint.generators(),
            "observer": self.observer.state(),
        }

    def _load(self, state: dict[str, Any]) -> None:
        self.ctx.done, self.ctx.state = state["step"], state["played"]
        for name, stream in state["streams"].items():
            self.ctx.generator(name).set_state(stream)
        checkpoint.set_generators(state["generators"])
        self.observer.load(state["observer"], state["step"])
