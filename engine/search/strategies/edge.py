"""The edge of training: between which two values of a knob a lab stops training, found by halving, one edge for each line of other values.

A value *trains* when on every seed the run did not diverge and the mean of the last fifth of its losses is below its first loss.  Halving
takes for granted that a line has one edge: what it says is of the values that it tried.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from engine.declare.revise import written
from engine.search.lattice import Lattice, listed, restored
from engine.search.outcome import Outcome, Point
from engine.search.strategy import Strategy

HALVINGS = 6
Line = tuple[Any, ...]


class Edge(Strategy):
    """`setting`: "axis", a range; "lines", the other knobs with their values; "halvings"; "metric", a loss."""

    name = "edge"
    results = ("edges",)

    def __init__(self, setting: Mapping[str, Any], folder: Path | None = None) -> None:
        super().__init__(setting, folder)
        halvings, axis, lines = (setting.get(name) for name in ("halvings", "axis", "lines"))
        if type(halvings) is not int or not 1 <= halvings <= 12 or not isinstance(axis, dict) or not isinstance(lines, list):
            raise ValueError("The search for an edge does not say of which knob, on which lines and with how many halvings.")
        self.axis: Lattice = restored(axis, first=2, refine=halvings)
        self.others: list[Lattice] = [restored(one, first=2, refine=0) for one in lines]
        if not self.axis.ranges:
            raise ValueError("The search for an edge has no range to halve.")

    def first(self) -> list[Point]:
        """Both ends of every line."""
        return [self._point(line, at) for line in self._lines() for at in (0, len(self.axis.values) - 1)]

    def following(self, outcomes: Sequence[Outcome]) -> list[Point]:
        out = []
        for line in self._lines():
            low, high, known = self._bracket(line, outcomes)
            wanted = [at for at in (low, high) if self.axis.values[at] not in known]
            if not wanted and known[self.axis.values[low]] is True and known[self.axis.values[high]] is False:
                middle = self.axis.between(low, high)
                wanted = [] if middle is None or self.axis.values[middle] in known else [middle]
            out += [self._point(line, at) for at in wanted]
        return out

    def result(self, outcomes: Sequence[Outcome]) -> dict[str, Any]:
        """ "edges": for each line the largest value that trains below the smallest that does not, each null where there is none, and
        how many seeds stand behind it: a value trains where all of them do, so with more seeds the edge can only sink."""
        edges = []
        for line in self._lines():
            low, high, known = self._bracket(line, outcomes)
            values = self.axis.values
            trains, breaks = known.get(values[low]) is True, known.get(values[high]) is False
            undecided = sorted(value for value, trained in known.items() if trained is None)
            edges.append(
                {
                    "line": {axis.knob: value for axis, value in zip(self.others, line, strict=True)},
                    "trains": values[low] if trains else None,
                    "breaks": values[low] if known.get(values[low]) is False else values[high] if breaks else None,
                    "undecided": undecided,
                    "seeds": len({one.knobs.get("seed") for one in outcomes if self._on(line, one)}),
                }
            )
        return {"edges": edges}

    def sentences(self) -> list[str]:
        return [sentence(edge, self.axis.knob) for edge in self.setting.get("edges", ())]

    def _lines(self) -> list[Line]:
        return list(itertools.product(*(axis.values for axis in self.others)))

    def _point(self, line: Line, at: int) -> Point:
        return {**{axis.knob: value for axis, value in zip(self.others, line, strict=True)}, self.axis.knob: self.axis.values[at]}

    def _bracket(self, line: Line, outcomes: Sequence[Outcome]) -> tuple[int, int, dict[Any, bool | None]]:
        """-> (position that trains or the first, position that does not or the last, value -> whether it trains, None where unknown)."""
        some = [one for one in outcomes if self._on(line, one)]
        known = {value: trains([one for one in some if one.knobs.get(self.axis.knob) == value]) for value in self._tried(some)}
        low, high = 0, len(self.axis.values) - 1
        while (middle := self.axis.between(low, high)) is not None and known.get(self.axis.values[middle]) is not None:
            low, high = (middle, high) if known[self.axis.values[middle]] else (low, middle)
        return low, high, known

    def _on(self, line: Line, one: Outcome) -> bool:
        return tuple(one.knobs.get(axis.knob) for axis in self.others) == line

    def _tried(self, outcomes: Sequence[Outcome]) -> list[Any]:
        return [
            value for value in dict.fromkeys(one.knobs.get(self.axis.knob) for one in outcomes) if self.axis.position(value) is not None
        ]


def trains(outcomes: Sequence[Outcome]) -> bool | None:
    """Whether all of these runs, which differ in their seeds, train; None where one has not told yet and no other has broken."""
    verdicts = [_trains(one) for one in outcomes]
    return False if False in verdicts else None if None in verdicts or not verdicts else True


def _trains(one: Outcome) -> bool | None:
    if not one.counts:
        return None
    if one.diverged:
        return False
    return None if one.late is None or one.opening is None else bool(one.late < one.opening)


def sentence(edge: Mapping[str, Any], knob: str) -> str:
    """ "router=hash: lr trains at 0.32 on all 5 seeds and at 0.37 on fewer." """
    where = " ".join(f"{name}={written(value)}" for name, value in edge["line"].items())
    head = f"{where}: {knob}" if where else knob
    low, high, undecided = edge["trains"], edge["breaks"], edge["undecided"]
    seeds = edge.get("seeds", 1)  # not in files of older versions
    every = f" on all {seeds} seeds" if seeds > 1 else ""
    if undecided:
        return f"{head} is not decided: at {', '.join(map(written, undecided))} not every seed has a result."
    if low is not None and high is not None:
        above = f"at {written(high)} on fewer" if every else f"not at {written(high)}"
        return f"{head} trains at {written(low)}{every} and {above}."
    if high is not None:
        return f"{head} does not train{every} at {written(high)}, the smallest value; begin lower."
    return f"{head} trains{every} at every value that was tried, up to the largest; go on higher."


def chosen_lines(axes: Mapping[str, Sequence[Any]]) -> list[Lattice]:
    """The other knobs of a search as axes that are never halved."""
    return [listed(knob, values) for knob, values in axes.items()]
