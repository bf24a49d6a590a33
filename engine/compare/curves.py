"""Curves of the arms in one metric: a line for every run, and for every arm its median, its band or range, and the share that diverged.

Median and band are of the runs that have finished or diverged, as the final values are; before the first of them, of those that go on, as
far as all of these have come: so that none jumps where a run is not yet there.

A band is drawn in stretches of steps (engine/index/overlay.py).  Its lower end is that of the runs' smallest values in the stretch and its
upper end that of their largest, so that it holds everything that one more run does there with the same 90 %, and no spike is lost.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from engine.compare.arms import Arms
from engine.index.overlay import Line, Overlay
from engine.statistics.arm import Form, curve
from engine.statistics.interval import Kind
from engine.statistics.matching import Key
from engine.statistics.noise_floor import noise_floor

FULL, FULL_POINTS, REST_POINTS = 16, 400, 60  # lines in full, points of each, and of each of the rest
BUCKETS = 200
GOING = ("running", "held")


class ReadsCurves(Protocol):
    """What is asked of the index."""

    def overlay(self, runs: Sequence[str], name: str, layer: str = "", **how: Any) -> Overlay: ...


@dataclass(frozen=True)
class RunLine:
    """`full`: one of the lines that are drawn in full; the others are thinner and have fewer points, and their extremes all the same."""

    run: str
    arm: str
    key: Key
    line: Line
    full: bool


@dataclass(frozen=True)
class ArmCurve:
    """B stretches of steps around `middle_B` in which a run of the arm has a value or has diverged before.

    `median_low_B`, `median_high_B`: medians of the runs' smallest and largest values, equal where a stretch is one step.  `low_B` to
    `high_B` is what `form` says.  `diverged_B` of `runs_B` runs have no finite value there any more, or one that is not.
    """

    arm: str
    form: Form
    middle_B: np.ndarray
    median_low_B: np.ndarray
    median_high_B: np.ndarray
    low_B: np.ndarray
    high_B: np.ndarray
    diverged_B: np.ndarray
    runs_B: np.ndarray


@dataclass(frozen=True)
class Curves:
    """`floor_B`: noise floor of the baseline by stretch, NaN where it is not measured.  `width`: steps of a stretch."""

    lines: tuple[RunLine, ...]
    arms: tuple[ArmCurve, ...]
    baseline: ArmCurve
    floor_B: np.ndarray
    width: int


def curves(
    store: ReadsCurves,
    arms: Arms,
    metric: tuple[str, str],
    baseline: str,
    kind: Kind,
    standing: Mapping[str, str],
    within: tuple[int, int] | None = None,
) -> Curves:
    """The curves of every run that counts; `metric`: name and layer; `within`: first and last step, of which few show every point."""
    runs = [(arm.name, key, run) for arm in arms.arms for key, run in arm.runs.items()]
    full = _in_full(arms)
    points = [FULL_POINTS if run in full else REST_POINTS for _, _, run in runs]
    of = store.overlay([run for _, _, run in runs], *metric, points=points, buckets=BUCKETS, within=within)
    lines = tuple(RunLine(run, arm, key, line, run in full) for (arm, key, run), line in zip(runs, of.lines, strict=True))
    rows = {arm.name: _counting([n for n, (name, _, _) in enumerate(runs) if name == arm.name], runs, standing) for arm in arms.arms}
    over = np.array([standing.get(run) == "diverged" for _, _, run in runs])
    of = _as_far_as_all(of, list(rows.values()), runs, standing)
    drawn = tuple(_arm(name, of, of_arm, over, kind) for name, of_arm in rows.items())
    first = next(one for one in drawn if one.arm == baseline)
    return Curves(lines, drawn, first, _floor(first, of, rows[baseline], over), of.width)


def _counting(rows: list[int], runs: Sequence[tuple[str, Key, str]], standing: Mapping[str, str]) -> list[int]:
    """Of the runs of an arm those that have finished or diverged; if none has, those that go on."""
    ended = [n for n in rows if standing.get(runs[n][2]) in ("finished", "diverged")]
    return ended or [n for n in rows if standing.get(runs[n][2]) in GOING]


def _as_far_as_all(of: Overlay, arms: Sequence[list[int]], runs: Sequence[tuple[str, Key, str]], standing: Mapping[str, str]) -> Overlay:
    """What goes on counts as far as all runs of its arm have come that have begun."""
    low, high, odd = of.low_NB.copy(), of.high_NB.copy(), of.odd_NB.copy()
    for rows in arms:
        if not rows or any(standing.get(runs[n][2]) not in GOING for n in rows):
            continue
        seen = np.isfinite(low[rows]) | odd[rows]
        begun = seen.any(axis=1)
        if begun.any():
            last = min(int(np.flatnonzero(one)[-1]) for one in seen[begun])
            low[rows, last + 1 :], high[rows, last + 1 :], odd[rows, last + 1 :] = np.nan, np.nan, False
    return replace(of, low_NB=low, high_NB=high, odd_NB=odd)


def _in_full(arms: Arms) -> set[str]:
    """The runs drawn in full: all where there are few, else those with the smallest seeds of every arm in turn; never chosen by result."""
    turns = [list(arm.runs.values()) for arm in arms.arms]
    in_turn = [runs[n] for n in range(max(map(len, turns))) for runs in turns if n < len(runs)]
    return set(in_turn[:FULL])


def _gone(of: Overlay, rows: Sequence[int], over_N: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """-> diverged_nB, known_nB of some runs: with a value that is not finite, or after the last value of a run that diverged."""
    seen = np.isfinite(of.low_NB[rows]) | of.odd_NB[rows]
    later = np.flip(np.cumsum(np.flip(seen, axis=1), axis=1), axis=1) > 0  # a value here or later
    diverged = of.odd_NB[rows] | (~later & over_N[rows][:, None])
    return diverged, seen | diverged


def _arm(name: str, of: Overlay, rows: Sequence[int], over_N: np.ndarray, kind: Kind) -> ArmCurve:
    diverged, known = _gone(of, rows, over_N)
    used = known.any(axis=0)
    low, high = (_curve(side[rows][:, used], kind) for side in (of.low_NB, of.high_NB))
    return ArmCurve(
        arm=name,
        form=high.form,
        middle_B=of.middle_B[used],
        median_low_B=low.median_S,
        median_high_B=high.median_S,
        low_B=low.low_S,
        high_B=high.high_S,
        diverged_B=diverged[:, used].sum(axis=0),
        runs_B=known[:, used].sum(axis=0),
    )


def _curve(values_NB: np.ndarray, kind: Kind):
    try:
        return curve(values_NB, kind)
    except ValueError:  # a value that its metric says it cannot have
        return curve(values_NB)


def _floor(first: ArmCurve, of: Overlay, rows: Sequence[int], over_N: np.ndarray) -> np.ndarray:
    """The larger of the floors of the runs' smallest and largest values, in each stretch of the baseline; NaN where it is not measured."""
    diverged, known = _gone(of, rows, over_N)
    out = []
    for column in np.flatnonzero(known.any(axis=0)):
        values = [side[rows][known[:, column], column].tolist() for side in (of.low_NB, of.high_NB)]
        singles = [noise_floor(one).single for one in values]
        out.append(math.nan if diverged[:, column].any() or None in singles else max(single for single in singles if single is not None))
    return np.array(out)
