"""The values that an axis of a map may take: some at first, and between each two of them one more with every refinement."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.declare.axes import DIGITS, geometric
from engine.declare.resolve import KnobError, typed

FIRST, REFINE = 5, 3  # values of a range at first, and how often it may be refined, unless the map says otherwise
MOST_FIRST, MOST_REFINE = 17, 5


@dataclass(frozen=True)
class Lattice:
    """One axis.  `values`: at the finest, ascending, or in the order given; `stride`: positions between two of the first values.

    A list of values is never refined and has the stride 1.  Of a knob that takes whole numbers several positions may bear one value.
    """

    knob: str
    values: tuple[Any, ...]
    stride: int
    scale: str  # "log", "linear" or "list"

    @property
    def first(self) -> range:
        """The positions that are there from the beginning."""
        return range(0, len(self.values), self.stride)

    @property
    def ranges(self) -> bool:
        return self.scale != "list"

    def position(self, value: Any) -> int | None:
        """The first position that bears a value; None for one that is not on the axis."""
        return self.values.index(value) if value in self.values else None

    def between(self, low: int, high: int) -> int | None:
        """The position in the middle of two others; None where there is none, or it bears the value of one of them."""
        if not self.ranges or high - low < 2:
            return None
        middle = (low + high) // 2
        return middle if self.values[middle] not in (self.values[low], self.values[high]) else None

    def json(self) -> dict[str, Any]:
        """As a sweep's file holds it."""
        shown = {"low": self.values[0], "high": self.values[-1]} if self.ranges else {"values": list(self.values)}
        return {"knob": self.knob, **shown, "scale": self.scale}


def ruled(spec: Mapping[str, Any], knob: str, low: float, high: float, *, first: int = FIRST, refine: int = REFINE) -> Lattice:
    """The lattice of a range.  KnobError, in one sentence, for ends that are out of bounds or too close for so many values."""
    if spec["kind"] not in ("int", "float"):
        raise KnobError(f"{knob} takes no numbers, so {low}..{high} is no range of it; give its values with commas between them.")
    ends = tuple(typed(spec, knob, end) for end in (low, high))
    if ends[0] >= ends[1]:
        raise KnobError(f"{knob}={low}..{high} does not go upwards; give the smaller end first.")
    scale = "log" if geometric(*ends) else "linear"
    count = (first - 1) * 2**refine + 1
    inner = [_between(*ends, n / (count - 1), scale) for n in range(1, count - 1)]
    if spec["kind"] == "int":
        values = [ends[0], *map(round, inner), ends[1]]
        starts = values[:: 2**refine]
        if len(set(starts)) < len(starts):
            raise KnobError(f"{knob}={low}..{high} has no {first} different whole numbers; give its values with commas between them.")
        return Lattice(knob, tuple(values), 2**refine, scale)
    for digits in DIGITS:
        values = [ends[0], *(float(f"{value:.{digits}g}") for value in inner), ends[1]]
        if all(a < b for a, b in itertools.pairwise(values)):
            return Lattice(knob, tuple(values), 2**refine, scale)
    raise KnobError(f"{knob}={low}..{high} has no {count} different numbers; give ends that lie further apart.")


def listed(knob: str, values: Sequence[Any]) -> Lattice:
    """The lattice of chosen values, which nothing refines."""
    return Lattice(knob, tuple(values), 1, "list")


def restored(axis: Mapping[str, Any], *, first: int, refine: int) -> Lattice:
    """The lattice that a sweep's file describes.  ValueError, in one sentence, for one that is odd."""
    try:
        if "values" in axis:
            return listed(str(axis["knob"]), axis["values"])
        whole = type(axis["low"]) is int and type(axis["high"]) is int
        spec = {"kind": "int" if whole else "float", "default": 0, "min": None, "max": None, "choices": [], "unit": ""}
        return ruled(spec, str(axis["knob"]), axis["low"], axis["high"], first=first, refine=refine)
    except (KeyError, TypeError, KnobError) as error:
        raise ValueError(f"The map has an odd axis ({error}).") from None


def _between(low: float, high: float, share: float, scale: str) -> float:
    return low * (high / low) ** share if scale == "log" else low + (high - low) * share
