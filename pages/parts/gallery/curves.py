"""Recorded curves as one small inline SVG: every seed of every arm, and the same in numbers for who cannot see it."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, Literal

import numpy as np

from engine.core.nonfinite import number
from engine.declare.records import print_one
from engine.index.downsample import thin

Role = Literal["broken", "cured", "control", "arm"]

WIDTH, HEIGHT = 640, 260  # of the drawing, in its own units
LEFT, RIGHT, TOP, BOTTOM = 8, 632, 26, 236  # edges of the curves
FIRST, OTHERS = 36, 14  # points of the first seed's line, and of each other seed's
FEW = 2  # ends that are apart and no more than two have their middle
APART = 8  # marks nearer to each other than this, along the steps, are one
MARKS = {"nan": "m-5-5 10 10m-10 0 10-10", "up": "m-6 5 6-10 6 10z", "down": "m-6-5 6 10 6-10z"}


@dataclass(frozen=True)
class Curve:
    """One seed: ascending steps and a value at each; values that are not finite are kept."""

    steps: tuple[int, ...]
    values: tuple[float, ...]


@dataclass(frozen=True)
class Arm:
    """What one preset came to, seed by seed; `label`: what tells it from the other arms."""

    label: str
    role: Role
    curves: tuple[Curve, ...]


@dataclass(frozen=True)
class Axis:
    """From values to heights in the drawing; both ends are values."""

    low: float
    high: float
    log: bool

    def y(self, value: float) -> float:
        """0 for the low end, 1 for the high one."""
        low, high, value = (math.log10(v) if self.log else v for v in (self.low, self.high, value))
        return 0.5 if high == low else (value - low) / (high - low)


def arm_of(record: Mapping[str, Any], label: str, role: Role) -> Arm:
    """The arm that a record of docs/measured holds; without curves where it has no film."""
    curves = [
        Curve(tuple(map(int, one["step"])), tuple(math.nan if v is None else float(number(v) or 0.0) for v in one["value"]))
        for one in (record.get("film") or {}).get("curves", {}).values()
    ]
    return Arm(label, role, tuple(curve for curve in curves if curve.steps))


def axis_of(arms: Sequence[Arm], log: bool, level: float | None = None) -> Axis | None:
    """An axis that holds every finite value and the level; logarithmic where that is wanted and all are positive; None without any."""
    finite = [v for arm in arms for curve in arm.curves for v in curve.values if math.isfinite(v)]
    if not finite:
        return None
    finite += [] if level is None else [level]
    return Axis(min(finite), max(finite), log and min(finite) > 0)


def svg(arms: Sequence[Arm], title: str, *, log: bool = False, level: float | None = None) -> str:
    """The drawing, one path an arm for its first seed and one for the others; "" where no arm has a curve."""
    drawn = [arm for arm in arms if arm.curves]
    last = max((curve.steps[-1] for arm in drawn for curve in arm.curves), default=0)
    axis = axis_of(drawn, log, level) or Axis(0.0, 1.0, log=False)
    if not drawn:
        return ""
    parts = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(alternative(arms, title, level))}">']
    if level is not None:
        y = _height(axis, level)
        parts.append(f'<path class="fl-level" d="M{LEFT} {y}H{RIGHT}"/>')
    for index, arm in enumerate(drawn):
        colour = f"fl-{arm.role}" + (f" fl-arm{index % 6}" if arm.role == "arm" else "")
        first, *others = arm.curves
        if others:
            parts.append(f'<path class="{colour} fl-thin" d="{"".join(_path(one, axis, last, OTHERS) for one in others)}"/>')
        parts.append(f'<path class="{colour}" d="{_path(first, axis, last, FIRST)}"/>')
        if marks := _marks(arm, last):
            parts.append(f'<path class="{colour} fl-odd" d="{marks}"/>')
    ends = print_one(axis.high), print_one(axis.low) + (" (log axis)" if axis.log else "")
    parts.append(f'<text x="{LEFT}" y="18">{escape(ends[0])}</text><text x="{LEFT}" y="254">{escape(ends[1])}</text>')
    parts.append(f'<text x="{RIGHT}" y="254" text-anchor="end">step {last:,}</text></svg>')
    return "".join(parts)


def ending(arm: Arm) -> str:
    """Where its seeds end: the median, "24", and on how many of them the last value is not finite.  Seeds that fall in two halves, further
    apart than all of one half, have no middle that any of them came to: both halves are given."""
    ends = [curve.values[-1] for curve in arm.curves]
    finite = [v for v in ends if math.isfinite(v)]
    odd = f"not finite on {len(ends) - len(finite)} of {len(ends)} seeds" if len(finite) < len(ends) else ""
    if not finite:
        return odd
    low, high = statistics.median_low(finite), statistics.median_high(finite)
    middle = print_one(statistics.median(finite), 3)
    if high - low > (max(finite) - min(finite)) / 2 and len(finite) > FEW:
        half = len(finite) // 2
        middle = f"{print_one(low, 3)} or less on {half} of {len(ends)} seeds, {print_one(high, 3)} or more on {half}"
    return f"{middle}, {odd}" if odd else middle


def alternative(arms: Sequence[Arm], title: str, level: float | None = None) -> str:
    """The drawing in words and numbers: each arm's first and last value, and when it first was not finite."""
    most = max((len(arm.curves) for arm in arms), default=0)
    sentences = [f"{title}, {of_seeds(most)}."]
    for arm in arms:
        if not arm.curves:
            sentences.append(f"{arm.label}: not recorded.")
            continue
        starts = [curve.values[0] for curve in arm.curves if math.isfinite(curve.values[0])]
        begin = f"from {print_one(statistics.median(starts), 3)} " if starts else ""
        odd = [step for curve in arm.curves for step, v in zip(curve.steps, curve.values, strict=True) if not math.isfinite(v)]
        sentences.append(f"{arm.label}: {begin}to {ending(arm)}{f'; first not finite at step {min(odd):,}' if odd else ''}.")
    if level is not None:
        sentences.append(f"Dashed level: {print_one(level)}.")
    return " ".join(sentences)


def of_seeds(count: int) -> str:
    """What a number of so many seeds is."""
    return "1 seed" if count == 1 else f"medians of {count} seeds"


def _x(step: int, last: int) -> int:
    return round(LEFT + (RIGHT - LEFT) * (step / last if last else 0.5))


def _height(axis: Axis, value: float) -> int:
    return round(BOTTOM - (BOTTOM - TOP) * axis.y(value))


def _path(curve: Curve, axis: Axis, last: int, points: int) -> str:
    """Relative moves between whole units; the line is interrupted where a value is not finite, and extremes stay."""
    steps, values = np.asarray(curve.steps), np.asarray(curve.values, dtype=float)
    kept, broken = thin(steps, values, points, (int(steps[0]), int(steps[-1])))
    out, before, drawing = [], (0, 0), False
    for row in np.union1d(kept, broken):
        if not math.isfinite(values[row]):
            drawing = False
            continue
        at = _x(int(steps[row]), last), _height(axis, float(values[row]))
        if not drawing:
            out.append(f"M{at[0]} {at[1]}l0 0")
        elif at != before:
            out.append(f" {at[0] - before[0]} {at[1] - before[1]}")
        before, drawing = at, True
    return "".join(out)


def _marks(arm: Arm, last: int) -> str:
    """A cross for NaN and an arrow for an infinity, at the edge to which it belongs."""
    marks: dict[tuple[str, int], str] = {}
    for curve in arm.curves:
        for step, value in zip(curve.steps, curve.values, strict=True):
            if math.isfinite(value):
                continue
            what = "nan" if math.isnan(value) else "up" if value > 0 else "down"
            x = min(max(_x(step, last) // APART * APART, LEFT + 6), RIGHT - 6)
            marks[what, x] = f"M{x} {BOTTOM + 2 if what == 'down' else TOP - 6}{MARKS[what]}"
    return "".join(marks.values())
