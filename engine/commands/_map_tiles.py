"""The cells of a map that a panel computes at once, tile by tile, each in a process of its own with limits."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from engine.commands._answer import BAD_USAGE, FAILED, Refusal
from engine.core.nonfinite import WORDS
from engine.declare.axes import parse
from engine.declare.resolve import KnobError, LabJson, read_knobs
from engine.declare.sweep import specs_of
from engine.server.panels import arguments as panel_knobs
from engine.server.panels import in_a_plain_process

SIDE = 32  # cells of a tile, where the settings allow as many
MOST_SEEDS = 32

Cell = dict[str, Any]
Axes = Mapping[str, tuple[str, float, float]]  # "x", "y" -> knob, low, high


def read(lab: LabJson, given: Sequence[str]) -> tuple[Axes, list[int], dict[str, str]]:
    """-> the two axes, the seeds, and what else was given.  KnobError, in one sentence."""
    knobs = read_knobs(given)
    seeds = list(parse(specs_of(lab)["seed"][0], "seed", knobs.pop("seed", "0")).values)  # type: ignore[union-attr]
    if len(seeds) > MOST_SEEDS:
        raise KnobError(f"{len(seeds)} seeds were given for each cell; at most {MOST_SEEDS} are allowed.")
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
