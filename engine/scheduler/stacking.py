"""Which queued runs start together in one worker: those that may be, of one person, where that was measured to be faster.

The rule of likeness and what is measured stand in engine/declare/stacks.py.  Nobody's run is overtaken: a run joins only while no other
person's run waits that was made before it.  Where several slots are free, the runs are spread over them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from engine.declare import stacks
from engine.declare.lab_catalog import provided
from engine.runs.folder import RunFolder
from engine.runs.spool import spools
from engine.scheduler.executor import Executor

MEASURING = "it is being measured whether it trains faster together with others like it"

Over = Callable[[], bool]


class Stacking:
    """Remembers only what it is measuring, and what could not be."""

    def __init__(self, data: Path, executor: Executor) -> None:
        self.data, self.executor = data, executor
        self.capable = provided
        self._measuring: dict[str, Over] = {}
        self._in_vain: set[str] = set()

    def group(self, first: RunFolder, waiting: Iterable[RunFolder]) -> list[RunFolder]:
        """`first` and those of `waiting` (in the order of the queue) that may join it, at most as many as one worker takes."""
        words = self.capable(self.data)
        spec = first.spec() or {}
        kind = self._kind(first, spec, words)
        if not kind:
            return [first]
        rest = [(folder, folder.spec() or {}) for folder in waiting]
        who, device = spec.get("who"), (spec.get("knobs") or {}).get("device")
        others = [_made(s) for _, s in rest if s.get("who") != who and (s.get("knobs") or {}).get("device") == device]
        until = min(others, default=math.inf)
        mine = [f for f, s in rest if s.get("who") == who and _made(s) <= until and self._kind(f, s, words) == kind]
        return [first, *mine][: stacks.MOST]

    def _kind(self, folder: RunFolder, spec: stacks.Spec, words: dict[str, frozenset[str]]) -> str:
        """Empty for a run that starts alone: one whose lab cannot, one that goes on from an earlier attempt, one that shall stop."""
        provides = words.get(str(spec.get("lab")), frozenset())
        if not provides & stacks.WORDS or spools(folder.path) or (folder.path / "STOP").exists():
            return ""
        return stacks.alike(spec, provides)

    def spread(self, group: Sequence[RunFolder], slots: int) -> list[RunFolder]:
        """The first of a group that start in one worker, where so many slots are free for them."""
        return list(group[: math.ceil(len(group) / max(1, slots))])

    def worth_it(self, group: Sequence[RunFolder]) -> bool | None:
        """Whether the group trains faster together; None while that is being measured, which begins when it is first asked."""
        spec = group[0].spec() or {}
        name = f"{stacks.kind(spec)} {stacks.counted(len(group))}"
        measured = stacks.cost(self.data, spec, len(group))
        if measured is not None or name in self._in_vain:
            self._measuring.pop(name, None)
            return measured is not None and measured.worth_it
        if name not in self._measuring:
            self._measuring[name] = self.executor.measure(group[: stacks.counted(len(group))])
        elif self._measuring[name]():
            self._in_vain.add(name)  # it has left nothing behind
        return None


def _made(spec: Any) -> float:
    return float(spec.get("created") or 0.0)
