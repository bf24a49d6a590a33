"""A detector: a rule in pure Python that turns readings into events, online in the worker and offline on stored runs."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from engine.runs.event import Event

OPENING = 20  # readings in which a metric shows where it begins
AMONG = 3  # readings in a row, the median of which must be as low as the baseline
ENOUGH = 3  # readings above the threshold without which nothing has stood there, however far apart they lie

Series = dict[str, Any]  # what a rule remembers of one metric: plain values and lists


class Detector:
    """Base of every detector: a small causal state machine, one instance per run.  A rule states its threshold and its sentence.

    `watches`: metric names; `update` is called once a step with the readings that arrived, keyed NAME or NAME@LAYER.
    A rule names itself after its file.  `fatal`: firing means the run diverged.

    *Too high* is a reading whose level (the median of the finite ones among the last `lately` readings) is above the threshold, and
    one that is not finite, from the first on.  With `nonfinite_is_high` off the latter are passed over.
    *Fires* once per episode: when readings have been too high over `long` steps.  The episode is over when one is not, with
    `quiet` above 0 when none has been for so many steps.  A metric read in every n-th step is counted in steps all the same;
    where nothing was read for longer than `long` steps, nothing is known, and counting begins anew.
    *Baseline*: the lowest median of 3 readings in a row among the first 20, None until there is one above 0; one that is not finite
    counts as infinite there.  A jump or a growth in these 20 does not raise it, unless it comes before the third; one reading
    alone cannot make it.

    All attributes of an instance are plain values and lists: they are its state in a checkpoint.
    `version` is raised when these attributes change: a state of another version is dropped, and the rule begins afresh.
    """

    watches: ClassVar[tuple[str, ...]]
    kind: ClassVar[str]  # of its events
    fatal: ClassVar[bool] = False
    version: ClassVar[int] = 2
    long: ClassVar[int] = 50
    quiet: ClassVar[int] = 0
    lately: ClassVar[int] = 9
    nonfinite_is_high: ClassVar[bool] = True

    def __init__(self, knobs: Mapping[str, Any] | None = None) -> None:
        """`knobs`: the flat declaration of the run, for rules that wait for the warm-up."""
        begin = {"read": 0, "step": None, "recent": [], "baseline": None, "since": None, "above": 0, "last": None, "below": 0}
        self.series: dict[str, Series] = {name: copy.deepcopy({**begin, "fired": False, **self.memory()}) for name in self.watches}

    @property
    def rule(self) -> str:
        return type(self).__module__.rsplit(".", 1)[-1]

    # -- what a rule states ----------------------------------------------------------------------------

    def memory(self) -> dict[str, Any]:
        """What a rule remembers of one metric beside what the base does, as it is before the first reading."""
        return {}

    def threshold(self, name: str, step: int, value: float, s: Series) -> float:
        """What the level must pass to be too high, from what was known before this reading; infinite while too little is."""
        raise TypeError(f"{type(self).__name__} must define threshold(name, step, value, s)")

    def note(self, name: str, value: float, s: Series) -> None:
        """Remember a reading after it was judged; not finite, or finite."""

    def sentence(self, name: str, step: int, value: float, level: float, threshold: float, s: Series) -> str:
        """What an event says."""
        raise TypeError(f"{type(self).__name__} must define sentence(name, step, value, level, threshold, s)")

    @classmethod
    def example(cls) -> tuple[list[dict[str, float]], list[int]]:
        """-> made-up readings, one dict a step, and the steps at which the rule must fire."""
        raise TypeError(f"{cls.__name__} must define example()")

    # -- what every rule shares ------------------------------------------------------------------------

    def update(self, step: int, readings: Mapping[str, float]) -> Sequence[Event]:
        """-> the events that this step causes; never looks ahead."""
        return [event for name in self.watches if name in readings for event in self._judge(step, name, readings[name])]

    def _judge(self, step: int, name: str, value: float) -> Sequence[Event]:
        s, finite = self.series[name], math.isfinite(value)
        if not finite and not self.nonfinite_is_high:
            return ()
        threshold = self.threshold(name, step, value, s)
        s["recent"] = [*s["recent"], value if finite else math.inf][-max(self.lately, AMONG) :]
        level = _median([v for v in s["recent"][-self.lately :] if v < math.inf] or [math.inf])
        fires = self._episode(step, not finite or not level <= threshold, s)
        s["read"], s["step"] = s["read"] + 1, step
        if s["baseline"] is None or s["read"] <= OPENING:
            s["baseline"] = _lower(s["baseline"], s["recent"])
        events = []
        if fires:
            message = self.sentence(name, step, value, level, threshold, s)
            events.append(Event(step, self.kind, self.rule, value=level if finite else value, threshold=threshold, message=message))
        self.note(name, value, s)
        return events

    def _episode(self, step: int, high: bool, s: Series) -> bool:
        """Count one reading -> whether the rule fires at it."""
        if s["step"] is not None and self.long > 1 and step - s["step"] > self.long:
            s["since"] = None
        if not high:
            s["below"] += 1
            if not self.quiet:
                s["since"] = None
            return False
        calm = s["since"] is not None and s["below"] > 0 and step - s["last"] >= self.quiet
        if s["since"] is None or calm:
            s["since"], s["above"], s["fired"] = step, 0, False
        s["above"], s["last"], s["below"] = s["above"] + 1, step, 0
        if s["fired"] or step - s["since"] + 1 < self.long or s["above"] < min(ENOUGH, self.long):
            return False
        s["fired"] = True
        return True

    def state(self) -> dict[str, Any]:
        """For a checkpoint, so that a resumed run goes on as if it had never stopped."""
        return {"version": self.version, **copy.deepcopy(vars(self))}

    def load(self, state: Mapping[str, Any]) -> None:
        """The inverse of `state`.  ValueError, and nothing changes, for a state of another version; one without a version is of 1."""
        theirs = state.get("version", 1)
        if theirs != self.version:
            raise ValueError(f"its state is of version {theirs} and today's rule is of version {self.version}")
        vars(self).update(copy.deepcopy({name: value for name, value in state.items() if name != "version"}))


def _median(values: Sequence[float]) -> float:
    ordered, half = sorted(values), len(values) // 2
    return ordered[half] if len(values) % 2 else (ordered[half - 1] + ordered[half]) / 2.0


def _lower(baseline: float | None, recent: Sequence[float]) -> float | None:
    """The baseline after one reading more."""
    if len(recent) < AMONG:
        return baseline
    found = _median(recent[-AMONG:])
    if not 0.0 < found < math.inf:
        return baseline
    return found if baseline is None else min(baseline, found)
