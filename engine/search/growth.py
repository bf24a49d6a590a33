"""Sweeps that are open: once runs have ended, the points that follow are put into the sweep; once nothing follows, it is closed."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine.core.files import of_the_machine
from engine.declare.resolve import KnobError, LabJson
from engine.declare.sweep import of_points
from engine.runs.ending import ENDED
from engine.runs.sweep_file import MOST, Sweep, SweepUnreadable, read_sweep, sweep_ids
from engine.runs.watch import settled
from engine.scheduler.control import Refused
from engine.scheduler.sweep_control import statuses
from engine.scheduler.sweeps import end_growth, extend
from engine.search.outcome import Outcome, Reads, outcomes
from engine.search.strategy import Strategy, strategy

log = logging.getLogger("faultline")


def strategy_of(data: Path, sweep: Sweep) -> Strategy:
    """How a sweep grows.  ValueError, in one sentence, for one that does not, or whose file says what cannot be."""
    return strategy(sweep.growing or {}, data / "sweeps" / sweep.id)


def results_of(data: Path, sweep: Sweep) -> tuple[dict[str, Any], list[str]]:
    """-> (what its strategy found, by name, and the same in sentences); nothing of a sweep that does not grow, or has not ended."""
    try:
        way = strategy_of(data, sweep)
        return {name: way.setting[name] for name in way.results if name in way.setting}, way.sentences()
    except (ValueError, KeyError, TypeError):
        return {}, []


def decides(data: Path, name: str) -> bool:
    """Whether an open sweep has all its results, so that it will grow or be closed at the next look."""
    try:
        return all(status in ENDED for status in statuses(data, read_sweep(data, name)).values())
    except (KeyError, SweepUnreadable):
        return False


class Growth:
    """For the process that is on duty.  `lab`: the entry of a lab, or None while there is none.

    Costs one `stat` while no sweep is open, and one reading of the index for each that is.
    """

    def __init__(self, data: Path, store: Callable[[], Reads], lab: Callable[[str], LabJson | None]) -> None:
        self.data, self.folder, self._store, self._lab = data, data / "sweeps", store, lab
        self._changed = -1.0
        self._open: set[str] = set()
        self._seen: dict[str, Any] = {}  # sweep -> what its runs had come to when it was last decided on
        self._trouble: dict[str, str] = {}  # sweep -> why the index did not say what its runs came to

    @property
    def open(self) -> frozenset[str]:
        """The sweeps that may still grow, as of the last step."""
        return frozenset(self._open)

    def step(self) -> bool:
        """One look at every open sweep -> whether one of them has grown.  OSError where the machine refuses it."""
        self.scan()
        return sum(self._alone(name) for name in sorted(self._open)) > 0

    def scan(self) -> None:
        """Learn which sweeps are open."""
        try:
            changed = os.stat(self.folder).st_mtime
        except FileNotFoundError:
            return
        if changed == self._changed and settled(changed):
            return
        self._changed, self._open = changed, set()
        for name in sweep_ids(self.data):
            try:
                if read_sweep(self.data, name).open:
                    self._open.add(name)
            except (KeyError, SweepUnreadable):
                continue
        self._seen = {name: seen for name, seen in self._seen.items() if name in self._open}

    def _alone(self, name: str) -> bool:
        """What is wrong with one sweep is said once, closes it, and stops no other."""
        try:
            return self._grow(read_sweep(self.data, name))
        except (KeyError, SweepUnreadable):
            self._open.discard(name)
        except Refused:
            pass  # another process writes sweeps; later
        except Exception as error:
            if of_the_machine(error):
                raise
            self._close(name, error)
        return False

    def _close(self, name: str, error: Exception) -> None:
        """Nobody waits for what no process could go on with; the file says why, and a resumed sweep is tried again."""
        why = f"Choosing what follows failed ({type(error).__name__}: {error})."
        log.error("the sweep %s does not grow any more (%s: %s)", name, type(error).__name__, error)
        self._open.discard(name)
        with contextlib.suppress(KeyError, SweepUnreadable, Refused):
            end_growth(self.data, read_sweep(self.data, name), ended=why[:500])

    def _outcomes(self, sweep: Sweep, metric: str) -> list[Outcome] | None:
        """What its runs came to; None while the index cannot say so, which is no reason to end what grows."""
        try:
            found = outcomes(self.data, self._store(), sweep, metric)
        except Exception as error:
            if of_the_machine(error):
                raise
            if (problem := f"{type(error).__name__}: {error}") != self._trouble.get(sweep.id):
                log.error("the index does not say what the sweep %s came to, and is asked again (%s)", sweep.id, problem)
                self._trouble[sweep.id] = problem
            return None
        self._trouble.pop(sweep.id, None)
        return found

    def _grow(self, sweep: Sweep) -> bool:
        lab = self._lab(sweep.lab)
        if not sweep.open or not sweep.complete or lab is None:
            return False
        try:
            way = strategy_of(self.data, sweep)
        except ValueError as error:
            end_growth(self.data, sweep, ended=str(error))
            return False
        results = self._outcomes(sweep, way.metric)
        if results is None or self._seen.get(sweep.id) == results:
            return False
        points = way.following(results)
        if not points and not way.waits(results) and decides(self.data, sweep.id):  # the index may not know yet that a run goes on again
            end_growth(self.data, sweep, **{"ended": "", **way.result(results)})
            self._open.discard(sweep.id)
            return False
        if points and not self._extended(lab, sweep, points):
            return False
        if points or way.waits(results):
            self._seen[sweep.id] = results
        return bool(points)

    def _extended(self, lab: LabJson, sweep: Sweep, points: list[dict[str, Any]]) -> bool:
        """Whether runs were added; where none can be, the sweep is closed, and its file says why."""
        room = (MOST - len(sweep.members)) // max(1, len(sweep.seeds))
        why = f"It has {len(sweep.members)} runs, and at most {MOST} are allowed." if len(points) > room else ""
        if lab.get("edition", 1) != sweep.edition:
            room, why = 0, f"It was made with edition {sweep.edition} of {sweep.lab}; today's is {lab.get('edition', 1)}."
        added = []
        if points[:room]:
            try:
                planned = of_points(lab, sweep.preset, sweep.base, points[:room], sweep.seeds, part=True)
                _, added = extend(self.data, lab, sweep, planned, grows=True)
            except KnobError as error:
                why = str(error)
        if not added:
            end_growth(self.data, sweep, ended=why)
        return bool(added)
