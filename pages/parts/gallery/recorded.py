"""The recorded curves behind a card: the deciding metric of a preset, of its twin or of every arm of its ladder, seed by seed."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.core.nonfinite import number
from engine.declare.records import MEASURED, record, same_runs
from pages.parts.words import knob_value

Point = tuple[int, float]  # step, value; a value may be NaN or infinite


@dataclass(frozen=True)
class Arm:
    """One arm of a card: what it is called, in full and shortly, and the recorded points of each seed."""

    name: str
    seeds: tuple[tuple[Point, ...], ...]
    short: str = ""

    def ends(self) -> list[float]:
        """The last value of every seed."""
        return [points[-1][1] for points in self.seeds if points]


def arms_of(lab: Mapping[str, Any], name: str) -> list[tuple[str, str, str]]:
    """(label, short label, preset) of everything that a card starts: the preset, its twin, or the arms of its ladder."""
    preset = lab["presets"][name]
    if preset["grid"]:
        values = [(knob.rpartition(".")[2], value) for knob, several in preset["grid"].items() for value in several]
        words = [(knob.replace("_", " "), knob_value(value).replace("_", " "), value) for knob, value in values]
        return [(f"{knob} {shown}", shown, f"{name}_{value}") for knob, shown, value in words]
    if preset["twin"]:
        first, second = ("broken", "cured") if preset["kind"] == "breaks" else ("unchanged", "changed")
        return [(first, first, name), (second, second, preset["twin"])]
    return [("", "", name)]


def recorded(lab: Mapping[str, Any], name: str, folder: Path = MEASURED) -> list[Arm]:
    """The arms of a card that have a record, in their order; [] where nothing is recorded."""
    out = []
    for label, short, preset in arms_of(lab, name):
        found = _record(lab, preset, folder)
        curves = (found or {}).get("film", {}).get("curves", {})
        seeds = tuple(_points(curve) for curve in curves.values())
        if any(seeds):
            out.append(Arm(label, tuple(points for points in seeds if points), short))
    return out


def cost(lab: Mapping[str, Any], name: str, folder: Path = MEASURED) -> tuple[float, str] | None:
    """-> (CPU-seconds of all arms with one seed each, the processor on which they were recorded); None where one arm has no record."""
    total, where = 0.0, ""
    for _, _, preset in arms_of(lab, name):
        found = _record(lab, preset, folder)
        if found is None:
            return None
        total += statistics.median(float(run["cpu_seconds"]) for run in found["runs"])
        where = str(found["environment"]["device"]).removeprefix("cpu: ")
    return total, where


def _record(lab: Mapping[str, Any], preset: str, folder: Path) -> Mapping[str, Any] | None:
    """The record of a preset, or of another one with the very same knobs."""
    for one in same_runs(lab["presets"], preset):
        found = record(folder / lab["lab"] / f"{one}.json")
        if found is not None:
            return found
    return None


def _points(curve: Mapping[str, Sequence[Any]]) -> tuple[Point, ...]:
    read = ((step, number(value)) for step, value in zip(curve["step"], curve["value"], strict=True))
    return tuple((int(step), value) for step, value in read if value is not None)
