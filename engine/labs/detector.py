"""A detector: a rule in pure Python that turns readings into events, online in the worker and offline on stored runs."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from engine.runs.event import Event


class Detector:
    """Base of every detector: a small causal state machine, one instance per run.

    `watches`: metric names; `update` is called once a step with the readings that arrived, keyed
    NAME or NAME@LAYER.  A rule names itself after its file.  `fatal`: firing means the run diverged.
    All attributes of an instance are plain values and lists: they are its state in a checkpoint.
    `version` is raised when these attributes change: a state of another version is dropped, and the rule begins afresh.
    """

    watches: ClassVar[tuple[str, ...]]
    fatal: ClassVar[bool] = False
    version: ClassVar[int] = 1

    def __init__(self, knobs: Mapping[str, Any] | None = None) -> None:
        """`knobs`: the flat declaration of the run, for rules that wait for the warm-up."""

    @property
    def rule(self) -> str:
        return type(self).__module__.rsplit(".", 1)[-1]

    def update(self, step: int, readings: Mapping[str, float]) -> Sequence[Event]:
        """-> the events that this step causes; never looks ahead."""
        raise TypeError(f"{type(self).__name__} must define update(step, readings)")

    def state(self) -> dict[str, Any]:
        """For a checkpoint, so that a resumed run goes on as if it had never stopped."""
        return {"version": self.version, **copy.deepcopy(vars(self))}

    def load(self, state: Mapping[str, Any]) -> None:
        """The inverse of `state`.  ValueError, and nothing changes, for a state of another version; one without a version is of 1."""
        theirs = state.get("version", 1)
        if theirs != self.version:
            raise ValueError(f"its state is of version {theirs} and today's rule is of version {self.version}")
        vars(self).update(copy.deepcopy({name: value for name, value in state.items() if name != "version"}))

    @classmethod
    def example(cls) -> tuple[list[dict[str, float]], list[int]]:
        """-> made-up readings, one dict a step, and the steps at which the rule must fire."""
        raise TypeError(f"{cls.__name__} must define example()")
