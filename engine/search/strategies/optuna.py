"""A search through Optuna: a few points at a time, chosen from what all others came to, until so many were trained as were wanted.

A point's value is the median of its runs' last values, with a diverged one as the worst.  The next points are chosen once every run
has ended, so that the order in which they end decides nothing.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.core.paths import private_folder
from engine.runs.sweep_file import MOST
from engine.search.lattice import Lattice, restored
from engine.search.outcome import Outcome, Point, middle
from engine.search.strategy import Strategy
from engine.search.suggest import NoSuggestion, suggest

ROUND = 4  # points that are trained at a time
WORD = {"minimize": "Lowest", "maximize": "Highest"}


@dataclass(frozen=True)
class Trial:
    """A point that was trained.  `value`: infinite on the bad side where it diverged, None where none of its runs came to anything.

    `runs`: those of which it is the median.
    """

    point: Point
    value: float | None
    runs: tuple[str, ...]


class Optuna(Strategy):
    """`setting`: "space", axes with "only" for knobs that belong to answers; "direction"; "trials"; "seed" of the sampler; "metric"."""

    name = "optuna"
    results = ("best", "tried")

    def __init__(self, setting: Mapping[str, Any], folder: Path | None = None) -> None:
        super().__init__(setting, folder)
        space, self.trials, seed = (setting.get(name) for name in ("space", "trials", "seed"))
        if not isinstance(space, list) or not space or not all(isinstance(axis, dict) and _only(axis) for axis in space):
            raise ValueError("The search does not say over which knobs it goes.")
        if type(self.trials) is not int or not 1 <= self.trials <= MOST or type(seed) is not int or setting.get("direction") not in WORD:
            raise ValueError("The search does not say which way is better, from which seed it draws and how many points it tries.")
        self.space: list[tuple[Lattice, Mapping[str, Any]]] = [(restored(axis, first=2, refine=0), axis.get("only", {})) for axis in space]
        self.trouble = ""  # why no points follow although some should

    def first(self) -> list[Point]:
        """The points from which it begins.  NoSuggestion."""
        return suggest(self._question((), min(ROUND, self.trials)))

    def following(self, outcomes: Sequence[Outcome]) -> list[Point]:
        if self.waits(outcomes):
            return []
        tried = self.tried(outcomes)
        self.trouble = self._blind(tried, outcomes)
        many = min(ROUND, self.trials - len(tried))
        if many <= 0 or self.trouble:
            return []
        try:
            return suggest(self._question(tried, many))
        except NoSuggestion as error:
            self.trouble = f"{str(error).removesuffix('.')}; resume the sweep to try again."
        return []

    def result(self, outcomes: Sequence[Outcome]) -> dict[str, Any]:
        """ "best": knobs, value and runs of the best point, null where none is finite; "tried": points; "ended": what went wrong."""
        tried = self.tried(outcomes)
        if not self.trouble:
            with contextlib.suppress(NoSuggestion):  # the last values into the journal
                suggest(self._question(tried, 0))
        finite = [one for one in tried if one.value is not None and math.isfinite(one.value)]
        best = min(finite, key=lambda one: self._sign * one.value, default=None)
        shown = None if best is None else {"knobs": best.point, "value": best.value, "runs": list(best.runs)}
        return {"best": shown, "tried": len(tried), "ended": self.trouble}

    def sentences(self) -> list[str]:
        if "best" not in self.setting:
            return []
        best, tried = self.setting["best"], self.setting["tried"]
        points = f"{tried} point{'s' if tried != 1 else ''}"
        out = [f"No point of {points} has a finite {self.metric}."]
        if best is not None:
            knobs = " ".join(f"{knob}={value}" for knob, value in best["knobs"].items())
            runs = f"the median of {len(best['runs'])} runs" if len(best["runs"]) > 1 else "one run"
            out = [f"{WORD[self.setting['direction']]} {self.metric} of {points}: {best['value']:.4g} at {knobs}, {runs}."]
            if tried > 1:
                out.append(f"The best of {points} flatters: train it with seeds that had no part in the search.")
        if tried < self.trials and not self.setting.get("ended"):
            out.append(f"{self.trials} were wanted; nothing new could be drawn.")
        return out

    def tried(self, outcomes: Sequence[Outcome]) -> list[Trial]:
        """Every point that has runs, in the order in which they were chosen."""
        of: dict[tuple[tuple[str, Any], ...], list[Outcome]] = {}
        for one in outcomes:
            if (point := self._point(one.knobs)) is not None:
                of.setdefault(tuple(point.items()), []).append(one)
        return [self._trial(dict(point), some) for point, some in of.items()]

    @property
    def _sign(self) -> float:
        return 1.0 if self.setting["direction"] == "minimize" else -1.0

    def _trial(self, point: Point, some: Sequence[Outcome]) -> Trial:
        finals = {one.run: self._sign * one.final for one in some if one.counts and one.final is not None and one.run is not None}
        return Trial(point, self._sign * middle(finals.values()) if finals else None, tuple(finals))

    def _point(self, knobs: Mapping[str, Any]) -> Point | None:
        """Its values on the axes; None for a run that is not in the space."""
        point = {}
        for axis, only in self.space:
            if all(knobs.get(question) in answers for question, answers in only.items()):
                value = knobs.get(axis.knob)
                if value not in axis.values if not axis.ranges else not _within(value, axis.values):
                    return None
                point[axis.knob] = value
        return point

    def _blind(self, tried: Sequence[Trial], outcomes: Sequence[Outcome]) -> str:
        """Why it makes no sense to go on: after the first round there is nothing to choose by."""
        if not tried or any(one.value is not None for one in tried):
            return ""
        counted = sum(one.counts for one in outcomes)
        if counted:
            return f"None of the {counted} runs that ended has a value of {self.metric}, so there is nothing to choose by."
        return f"None of the first {len(tried)} points came to anything; see what their runs say, then resume the sweep."

    def _question(self, tried: Sequence[Trial], many: int) -> dict[str, Any]:
        if self.folder is not None:
            private_folder(self.folder)
        return {
            **{name: self.setting[name] for name in ("space", "direction", "seed")},
            "known": [{"point": one.point, "value": one.value} for one in tried],
            "many": many,
            "file": str((self.folder / "study.log").resolve()) if self.folder is not None else None,
        }


def _only(axis: Mapping[str, Any]) -> bool:
    only = axis.get("only", {})
    return isinstance(only, dict) and all(isinstance(answers, list) for answers in only.values())


def _within(value: Any, ends: Sequence[Any]) -> bool:
    return type(value) in (int, float) and ends[0] <= value <= ends[-1]
