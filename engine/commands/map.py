"""A map of a lab over two knobs: which trainings diverge.

X=a..b and Y=c..d are its two axes, on a logarithmic scale; the cells stand for the middles of equal parts of both.  seed=0..2 trains
every cell with three seeds, and its value is their median.  KNOB=VALUE holds another knob where you want it.
"""

from __future__ import annotations

import argparse
import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from engine.commands._answer import ANSWERED, BAD_USAGE, FAILED, NOT_FOUND, Refusal, tell
from engine.commands.labs import catalog
from engine.commands.run import read_knobs
from engine.core.nonfinite import WORDS
from engine.declare.resolve import KnobError
from engine.scheduler.submit import find_lab
from engine.server.panels import arguments as panel_knobs
from engine.server.panels import in_a_plain_process

PANELS = {"trainability": "trainability_map"}  # lab -> the panel that computes its cells
SIDE = 32  # cells of a tile, where the settings allow as many
MOST_SEEDS = 32

Cell = dict[str, Any]


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("lab", metavar="LAB")
    parser.add_argument("given", nargs="*", metavar="KNOB=VALUE", help="X=a..b Y=c..d, seed=a or a..b, and other knobs")
    parser.add_argument("--cells", type=int, default=16, metavar="N", help="cells on each side, a power of two from 4 to 256 (16)")


def run(args: argparse.Namespace) -> int:
    document = catalog()
    try:
        find_lab(document, args.lab)
    except KnobError as error:
        raise Refusal(NOT_FOUND, str(error)) from None
    if args.lab not in PANELS:
        raise Refusal(BAD_USAGE, f"A map of {args.lab} is not built yet; {', '.join(PANELS)} has one.")
    if args.cells not in (4, 8, 16, 32, 64, 128, 256):
        raise Refusal(BAD_USAGE, f"--cells={args.cells} is not a power of two from 4 to 256; give 16 for example.")
    try:
        axes, seeds, others = read(args.given)
        knobs = {**of_axes(axes), "cells": args.cells}
        parts = [tiles(document, PANELS[args.lab], {**others, **knobs, "seed": seed}) for seed in seeds]
    except KnobError as error:
        raise Refusal(BAD_USAGE, str(error)) from None
    cells = [together(same) for same in zip(*parts, strict=True)]
    told = {name: {"knob": knob, "low": low, "high": high, "scale": "log"} for name, (knob, low, high) in axes.items()}
    tell(args.json, {"map": None, "axes": told, "cells": cells}, drawn(cells, args.cells, axes))
    return ANSWERED


Axes = Mapping[str, tuple[str, float, float]]  # "x", "y" -> knob, low, high


def read(given: Sequence[str]) -> tuple[Axes, list[int], dict[str, str]]:
    """-> the two axes, the seeds, and what else was given.  KnobError, in one sentence."""
    knobs = read_knobs(given)
    seeds = _seeds(knobs.pop("seed", "0"))
    ranges = [name for name, value in knobs.items() if ".." in value]
    if len(ranges) != 2:
        raise KnobError(f"A map has two knobs with a range, and {len(ranges)} were given; write lr_in=1..1e4 lr_out=1..1e3 for example.")
    axes = {axis: (name, *_range(name, knobs.pop(name))) for axis, name in zip("xy", ranges, strict=True)}
    return axes, seeds, knobs


def _range(name: str, text: str) -> tuple[float, float]:
    low, high = (_positive(name, part) for part in text.split("..", 1))
    if low >= high:
        raise KnobError(f"{name}={text} does not grow; give the smaller end first.")
    return low, high


def _positive(name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (0.0 < value < math.inf):
        raise KnobError(f"{name} has the end {text!r:.40}, which is no number above 0; write {name}=1..1e3 for example.")
    return value


def _seeds(text: str) -> list[int]:
    low, dots, high = text.partition("..")
    if not low.isascii() or not low.isdigit() or (dots and not (high.isascii() and high.isdigit())):
        raise KnobError(f"seed={text:.40} is no seed and no range of seeds; write seed=0 or seed=0..4.")
    first, last = int(low), int(high or low)
    if not 0 <= last - first < MOST_SEEDS:
        raise KnobError(f"seed={text:.40} is no range of 1 to {MOST_SEEDS} seeds; write seed=0..4 for example.")
    return list(range(first, last + 1))


def of_axes(axes: Axes) -> dict[str, Any]:
    """As the panel is asked for them: centre and decades."""
    out: dict[str, Any] = {}
    for axis, (name, low, high) in axes.items():
        middle = (math.log10(low) + math.log10(high)) / 2.0
        out |= {axis: name, f"centre_{axis}": 10.0**middle, f"decades_{axis}": math.log10(high) - math.log10(low)}
    return out


def tiles(document: Mapping[str, Any], panel: str, knobs: Mapping[str, Any]) -> list[Cell]:
    """Every cell of one seed, row by row from below; each tile in a process of its own, with limits.  KnobError, Refusal."""
    side = min(SIDE, knobs["cells"])
    while True:
        told = _ask(document, panel, {**knobs, "tile": side})
        if "frames" in told or side == 1 or "too long" not in told["says"]:
            break
        side //= 2
    count = knobs["cells"] // side
    rows: dict[tuple[int, int], Cell] = {}
    for row in range(count):
        for column in range(count):
            if (row, column) != (0, 0):
                told = _ask(document, panel, {**knobs, "tile": side, "column": column, "row": row})
            if "frames" not in told:
                raise Refusal(FAILED if told.get("trace") else BAD_USAGE, told["says"])
            rows |= {(row * side + j, column * side + i): cell for (j, i), cell in _cells(told["frames"], side)}
    return [rows[key] for key in sorted(rows)]


def _ask(document: Mapping[str, Any], panel: str, knobs: Mapping[str, Any]) -> dict[str, Any]:
    return in_a_plain_process(panel, panel_knobs(document, panel, knobs))


def _cells(frames: Mapping[str, Any], side: int) -> Iterator[tuple[tuple[int, int], Cell]]:
    for n, (value, final) in enumerate(zip(frames["cells"]["value"], frames["cells"]["final"], strict=True)):
        j, i = divmod(n, side)
        yield (j, i), {"x": frames["x"]["rate"][i], "y": frames["y"]["rate"][j], "value": value, "final": WORDS.get(final, final)}


def together(same: Sequence[Cell]) -> Cell:
    """One cell of all seeds: value and final are medians, where a last loss that is no number is the largest."""
    value = statistics.median(cell["value"] for cell in same)
    finals = sorted((cell["final"] for cell in same), key=lambda loss: math.inf if math.isnan(loss) else loss)
    diverged = sum(cell["value"] > 1.0 for cell in same)
    return {
        **{axis: same[0][axis] for axis in "xy"},
        "n": len(same),
        "diverged": diverged,
        "final": finals[len(finals) // 2],  # of an even number the larger one in the middle
        "runs": [],
        "value": value,
        "verdict": "diverged" if value > 1.0 else "trained",
    }


def drawn(cells: Sequence[Cell], side: int, axes: Axes) -> Iterator[str]:
    """The map in letters, the largest y on top: # where most seeds diverge."""
    (x, low, high), (y, lowest, highest) = axes["x"], axes["y"]
    yield f"{y} from {highest:g} (top) to {lowest:g}, {x} from {low:g} (left) to {high:g}; # diverged, . trained"
    for row in range(side - 1, -1, -1):
        yield "".join("#" if cell["verdict"] == "diverged" else "." for cell in cells[row * side : (row + 1) * side])
