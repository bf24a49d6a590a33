"""The steps of a stack of runs that play: computed together by the lab, observed one by one (engine/worker/play.py)."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from typing import Any, cast

import torch

from engine.labs.play import Played
from engine.labs.probe import Step
from engine.labs.stacking import PlaysStacked
from engine.worker.begin import Begun
from engine.worker.observer import Observer
from engine.worker.play import NOTHING, Playing
from engine.worker.stack_members import Member, Seat, each, own


class _Observed(Playing):
    """Steps that somebody else computes."""

    def take(self, step: Step, played: Played) -> None:
        self._observe(step, played)


class Player(Member):
    """A member without a model."""

    def __init__(self, seat: Seat, begun: Begun) -> None:
        super().__init__(seat, begun)
        self.observer = Observer(self.lab, NOTHING, self.spool, torch.device("cpu"), begun.probes, begun.detectors)
        self.playing = _Observed(self.lab, self.begun, self.observer)
        self.step: Step | None = None

    def begin(self) -> None:
        self.step = Step(self.progress.done, self.progress.steps, self.lab, NOTHING, {}, {}, NOTHING, NOTHING)
        self.observer.begin(self.step)

    def take(self, played: Played) -> None:
        assert self.step is not None
        self.playing.take(self.step, played)
        self.progress.done, self.progress.whole = self.progress.done + 1, True
        self.heed_divergence()

    def state(self) -> dict[str, Any]:
        return own(self.playing.state())


class Playings:
    """All members that still play, at the same step."""

    def __init__(self, members: Sequence[Player]) -> None:
        self.members = list(members)
        self.steps: Iterator[Sequence[Played]] | None = None

    def one_step(self) -> None:
        started = time.perf_counter()
        if self.steps is None:
            for member in self.members:
                member.playing.ctx.done = member.progress.done
            labs = [m.lab for m in self.members]
            self.steps = iter(cast(PlaysStacked, labs[0]).stacked_play(labs, [m.playing.ctx for m in self.members]))
        each(self.members, Player.begin)
        for member in self.members:
            member.progress.whole = False
        played = next(self.steps, None)
        if played is None:  # it has nothing more to do, as a single one may
            for member in self.members:
                member.progress.steps, member.progress.whole = member.progress.done, True
            return
        steps = dict(zip(map(id, self.members), played, strict=True))
        each(self.members, lambda m: m.take(steps[id(m)]))
        seconds = time.perf_counter() - started
        for member in self.members:  # the time of a step is that of all; of the work each has an even share
            member.progress.busy += seconds / len(self.members)
            member.progress.seconds.append(seconds)
        self.drop_ended()

    def drop_ended(self) -> None:
        left = [m for m in self.members if not m.seat.status]
        if len(left) < len(self.members):
            self.members = left
            with contextlib.suppress(AttributeError):
                self.steps.close()  # type: ignore[union-attr]
            self.steps = None
