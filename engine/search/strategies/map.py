"""A map over two knobs, or several over a third: coarse at first, finer where its corners disagree.

A box is refined when all its corners have their results and do not agree: when the share of their runs that diverged differs, or, with a
level, when the metric is below it at one corner and not at another.  Then the box is cut in half along each axis that is a range.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.search.lattice import Lattice, restored
from engine.search.outcome import Outcome, Point, middle
from engine.search.strategy import Strategy

Spot = tuple[int, ...]  # a position on each axis


@dataclass(frozen=True)
class Cell:
    """One point of the map.  `size`: positions from it to its neighbours of the same fineness, on each axis.

    `runs`: every run it has.  `n`: runs that count, of which `diverged` did; `final`: median of what they came to, NaN where that is a
    diverged one, None where n is 0.  `pending`: runs that have not ended, or are still to be made.
    """

    spot: Spot
    point: Point
    size: Spot
    runs: tuple[str, ...]
    n: int
    diverged: int
    final: float | None
    pending: int


class Map(Strategy):
    """`setting`: "axes" (x, y and perhaps a third), "first", "refine", "metric" and "level", a number or null."""

    name = "map"

    def __init__(self, setting: Mapping[str, Any], folder: Path | None = None) -> None:
        super().__init__(setting, folder)
        first, refine = setting.get("first"), setting.get("refine")
        if type(first) is not int or type(refine) is not int or not 2 <= first <= 17 or not 0 <= refine <= 5:
            raise ValueError("The map does not say how many values its axes have at first and how often it may be refined.")
        axes = setting.get("axes")
        if not isinstance(axes, list) or len(axes) not in (2, 3):
            raise ValueError("The map has no two or three axes.")
        self.axes: list[Lattice] = [restored(axis, first=first, refine=refine) for axis in axes]
        self.refine, self.level = refine, setting.get("level")
        if self.level is not None and type(self.level) not in (int, float):
            raise ValueError("The map has a level that is no number.")

    def first(self) -> list[Point]:
        """The points from which it begins: the product of the first values, the last axis slowest."""
        return [self._point(spot) for spot in self._starts()]

    def cells(self, outcomes: Sequence[Outcome]) -> list[Cell]:
        """Every point that has members, coarse ones first."""
        of: dict[Spot, list[Outcome]] = {}
        for one in outcomes:
            if (spot := self._spot(one.knobs)) is not None:
                of.setdefault(spot, []).append(one)
        cells = [self._cell(spot, some) for spot, some in of.items()]
        return sorted(cells, key=lambda cell: (tuple(-size for size in cell.size), cell.spot))

    def following(self, outcomes: Sequence[Outcome]) -> list[Point]:
        cells = {self._values(cell.spot): cell for cell in self.cells(outcomes)}
        wanted = {self._values(spot): spot for spot in (*self._starts(), *self._refined(cells))}
        return [self._point(spot) for values, spot in wanted.items() if values not in cells]

    # -- the lattice ---------------------------------------------------------------------------------

    def _starts(self) -> list[Spot]:
        return [spot[::-1] for spot in itertools.product(*(axis.first for axis in reversed(self.axes)))]

    def _point(self, spot: Spot) -> Point:
        return {axis.knob: axis.values[at] for axis, at in zip(self.axes, spot, strict=True)}

    def _values(self, spot: Spot) -> tuple[Any, ...]:
        """What tells points apart: of whole numbers several positions bear one value."""
        return tuple(axis.values[at] for axis, at in zip(self.axes, spot, strict=True))

    def _spot(self, knobs: Mapping[str, Any]) -> Spot | None:
        """The positions of a run's values, each the one that bears it on the coarsest level; None for a run that is not on the map."""
        out = []
        for axis in self.axes:
            at = axis.position(knobs.get(axis.knob))
            if at is None:
                return None
            starts = [start for start in axis.first if axis.values[start] == axis.values[at]]
            out.append(starts[0] if starts else at)
        return tuple(out)

    def _cell(self, spot: Spot, some: Sequence[Outcome]) -> Cell:
        sizes = [self._fineness(axis, at) for axis, at in zip(self.axes, spot, strict=True)]
        finest = min((size / axis.stride for axis, size in zip(self.axes, sizes, strict=True) if axis.ranges), default=1)
        size = tuple(max(1, int(axis.stride * finest)) if axis.ranges else 1 for axis in self.axes)
        counted = [one for one in some if one.counts]
        finals = [one.final for one in counted if one.final is not None]
        return Cell(
            spot=spot,
            point=self._point(spot),
            size=size,
            runs=tuple(one.run for one in some if one.run is not None),
            n=len(counted),
            diverged=sum(one.diverged for one in counted),
            final=_number(middle(finals)) if finals else None,
            pending=sum(not one.ended for one in some),
        )

    def _fineness(self, axis: Lattice, at: int) -> int:
        """The stride of the coarsest level on which the position lies."""
        size = axis.stride
        while axis.ranges and at % size:
            size //= 2
        return size

    # -- where it is refined ------------------------------------------------------------------------

    def _refined(self, cells: Mapping[tuple[Any, ...], Cell]) -> Iterator[Spot]:
        """The spots of all boxes that were cut, or are to be, level by level."""
        boxes = [spot for spot in self._starts() if self._box(spot, 1) is not None]
        for level in range(self.refine):
            cut: list[Spot] = []
            for low in boxes:
                corners = self._box(low, 2**level)
                if corners is None or not self._differ([cells.get(self._values(spot)) for spot in corners]):
                    continue
                spots, inner = self._halves(low, 2**level)
                yield from spots
                cut += inner
            boxes = cut

    def _box(self, low: Spot, parts: int) -> list[Spot] | None:
        """The corners of the box from `low` with the first stride divided by `parts`; None for one that leaves the map."""
        ends = []
        for axis, at in zip(self.axes, low, strict=True):
            high = at + axis.stride // parts if axis.ranges else at
            if high >= len(axis.values):
                return None
            ends.append(dict.fromkeys((at, high)))
        return list(itertools.product(*ends))

    def _halves(self, low: Spot, parts: int) -> tuple[list[Spot], list[Spot]]:
        """-> (every spot of the box cut in half, the lower corners of its halves)."""
        marks, lower = [], []
        for axis, at in zip(self.axes, low, strict=True):
            high = at + axis.stride // parts if axis.ranges else at
            half = axis.between(at, high)
            marks.append([at] if high == at else [at, high] if half is None else [at, half, high])
            lower.append([at] if half is None else [at, half])
        return list(itertools.product(*marks)), list(itertools.product(*lower))

    def _differ(self, corners: Sequence[Cell | None]) -> bool:
        """Whether all of them have their results, and these do not agree."""
        known = [cell for cell in corners if cell is not None and cell.n and not cell.pending]
        if len(known) < len(corners):
            return False
        if len({cell.diverged / cell.n for cell in known}) > 1:
            return True
        return self.level is not None and len({cell.final is not None and cell.final <= self.level for cell in known}) > 1


def _number(value: float) -> float:
    """What is not finite as NaN."""
    return value if value - value == 0.0 else float("nan")
