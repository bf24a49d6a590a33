"""A map as a picture: SVG text, the same on the page, on the command line and in the README.

A cell is a square around its point, a finer one over a coarser.  Its colour says the share of its runs that diverged where that is half or
more, and the median of what they came to where it is less; a mixed cell bears its counts.  The heavy line is the boundary at one half.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape

from engine.declare.revise import written
from engine.search.lattice import Lattice
from engine.search.strategies.map import Cell, Spot

SIDE, GAP = 420.0, 34.0  # of one map, and between two
LEFT_LETTER, TOP, BOTTOM, RIGHT = 7.4, 30.0, 118.0, 18.0
TRAINED = ((222, 235, 247), (66, 146, 198), (8, 48, 107))
DIVERGED = ((254, 217, 150), (230, 110, 20), (127, 39, 4))
COUNTED = 26.0  # a mixed cell of this side bears its counts
HALF = 0.5

INK = {"light": "#31333f", "dark": "#fafafa"}
RULES = ".fl-ink{{fill:{0}}}.fl-line{{stroke:{0}}}"
STYLE = f"{RULES.format(INK['light'])} @media (prefers-color-scheme:dark){{{RULES.format(INK['dark'])}}}"

FONT = 'font-family="sans-serif" font-size="13"'

Box = tuple[float, float, float, float]  # x, y, width, height on the picture


@dataclass(frozen=True)
class Scale:
    """What the colours of trained cells stand for: from `low` to `high`, by the logarithm where `log`."""

    low: float
    high: float
    log: bool

    def share(self, value: float) -> float:
        """Where a value lies, from 0 (low) to 1."""
        if self.high == self.low:
            return 0.5
        low, high, at = (math.log(v) for v in (self.low, self.high, value)) if self.log else (self.low, self.high, value)
        return min(1.0, max(0.0, (at - low) / (high - low)))


def svg(axes: Sequence[Lattice], cells: Sequence[Cell], metric: str, theme: str | None = None) -> str:
    """The picture of a map; `theme`: "light" or "dark", or None for one that follows the reader's system."""
    x, y, *third = axes
    values = [*third[0].values] if third else [None]
    left = 26.0 + LEFT_LETTER * max(len(written(y.values[at])) for at in y.first)
    width, height = left + len(values) * (SIDE + GAP) - GAP + RIGHT, TOP + SIDE + BOTTOM
    scale = scale_of(cells)
    style = STYLE if theme is None else RULES.format(INK[theme])
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" {FONT} role="group" ',
        f'aria-label="{escape(_summary(axes, cells))}">',
        f"<style>{style}</style>",
        '<defs><pattern id="fl-wait" width="8" height="8" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">',
        '<rect width="8" height="8" fill="#8886"/><rect width="3" height="8" fill="#888a"/></pattern></defs>',
    ]
    for n, value in enumerate(values):
        at = left + n * (SIDE + GAP)
        some = [cell for cell in cells if not third or cell.spot[2] == n]
        title = f"{third[0].knob} = {written(value)}" if third else ""
        parts += [f'<g transform="translate({at:g} {TOP:g})">', *_one(x, y, some, scale, title, labelled=not n), "</g>"]
    named = f'<text class="fl-ink" transform="translate(14 {TOP + SIDE / 2:g}) rotate(-90)" text-anchor="middle">{escape(y.knob)}</text>'
    parts += [named, *_legend(left, TOP + SIDE + 62, width - left - RIGHT, scale, metric, cells), "</svg>"]
    return "\n".join(parts)


def scale_of(cells: Sequence[Cell]) -> Scale | None:
    """Over the cells of which less than half diverged; None where there is none."""
    values = [cell.final for cell in cells if cell.n and cell.final is not None and math.isfinite(cell.final) and not _gone(cell)]
    if not values:
        return None
    low, high = min(values), max(values)
    return Scale(low, high, low > 0 and high / low >= 10)


def name_of(cell: Cell, axes: Sequence[Lattice]) -> str:
    """The point of a cell as one types it."""
    return " ".join(f"{axis.knob}={written(cell.point[axis.knob])}" for axis in axes)


def sentence(cell: Cell, axes: Sequence[Lattice], metric: str) -> str:
    """What a cell says: "lr=0.1 router=hash: 1 of 5 runs diverged; median loss/train 2.31." """
    where = name_of(cell, axes)
    waits = "" if not cell.pending else f"{cell.pending} still {'goes' if cell.pending == 1 else 'go'} on"
    if not cell.n:
        return f"{where}: {waits or 'no run has a result'}."
    runs = "run" if cell.n == 1 else "runs"
    said = f"{where}: {cell.diverged} of {cell.n} {runs} diverged"
    if cell.final is not None and math.isfinite(cell.final):
        said += f"; median {metric} {cell.final:.4g}" if cell.n > 1 else f"; {metric} {cell.final:.4g}"
    return f"{said}; {waits}." if waits else f"{said}."


# -- one map -------------------------------------------------------------------------------------------------


def _one(x: Lattice, y: Lattice, cells: Sequence[Cell], scale: Scale | None, title: str, *, labelled: bool) -> Iterator[str]:
    drawn = sorted(cells, key=lambda cell: (-cell.size[0] / x.stride, -cell.size[1] / y.stride, cell.spot))
    columns, rows = len(x.first), len(y.first)
    yield f'<svg width="{SIDE:g}" height="{SIDE:g}" overflow="hidden">'
    boxes = [(cell, _box(cell, x, y, columns, rows)) for cell in drawn]
    owner = _owners(drawn, x, y, columns, rows)
    for cell, (left, top, wide, high) in boxes:
        name = escape(" ".join(str(at) for at in cell.spot))
        yield (
            f'<rect class="fl-spot" data-cell="{name}" x="{left:.2f}" y="{top:.2f}" width="{wide:.2f}" height="{high:.2f}" '
            f'fill="{_fill(cell, scale)}" stroke="#8884" stroke-width="1"/>'
        )
    for cell in drawn:
        left, top, wide, high = _seen(cell, owner, x, y, columns, rows)
        if 0 < cell.diverged < cell.n and min(wide, high) >= COUNTED:
            ink = "#fff" if cell.diverged / cell.n > 0.75 or (not _gone(cell) and scale and _dark(cell, scale)) else "#000"
            counts = f"{cell.diverged}/{cell.n}"
            yield (
                f'<text x="{left + wide / 2:.1f}" y="{top + high / 2 + 4:.1f}" text-anchor="middle" font-size="12" fill="{ink}" '
                f'pointer-events="none">{counts}</text>'
            )
    yield f'<path class="fl-line" fill="none" stroke-width="3" pointer-events="none" d="{_boundary(owner, x, y, columns, rows)}"/>'
    yield "</svg>"
    yield f'<rect class="fl-line" width="{SIDE:g}" height="{SIDE:g}" fill="none" stroke-width="1" pointer-events="none"/>'
    if title:
        yield f'<text class="fl-ink" x="{SIDE / 2:g}" y="-10" text-anchor="middle" font-weight="600">{escape(title)}</text>'
    for n, at in enumerate(x.first):
        middle = (n + 0.5) * SIDE / columns
        yield f'<text class="fl-ink" x="{middle:.1f}" y="{SIDE + 18:g}" text-anchor="middle">{escape(written(x.values[at]))}</text>'
    yield f'<text class="fl-ink" x="{SIDE / 2:g}" y="{SIDE + 38:g}" text-anchor="middle">{escape(x.knob)}</text>'
    for n, at in enumerate(y.first if labelled else ()):
        middle = SIDE - (n + 0.5) * SIDE / rows
        yield f'<text class="fl-ink" x="-8" y="{middle + 4:.1f}" text-anchor="end">{escape(written(y.values[at]))}</text>'


def _box(cell: Cell, x: Lattice, y: Lattice, columns: int, rows: int) -> Box:
    """The square of a cell, the largest y on top."""
    wide, high = SIDE / columns, SIDE / rows
    (left, right), (low, top) = (_span(cell.spot[n], cell.size[n], axis) for n, axis in enumerate((x, y)))
    return left * wide, SIDE - top * high, (right - left) * wide, (top - low) * high


def _span(at: int, size: int, axis: Lattice) -> tuple[float, float]:
    """From where to where a cell reaches, in cells of the first fineness."""
    return (at - size / 2) / axis.stride + 0.5, (at + size / 2) / axis.stride + 0.5


def _fill(cell: Cell, scale: Scale | None) -> str:
    if not cell.n:
        return "url(#fl-wait)"
    if _gone(cell):
        return _mixed(DIVERGED, (cell.diverged / cell.n - HALF) / HALF)
    if scale is None or cell.final is None or not math.isfinite(cell.final):
        return _mixed(TRAINED, 0.5)
    return _mixed(TRAINED, 1.0 - scale.share(cell.final))


def _dark(cell: Cell, scale: Scale) -> bool:
    return cell.final is not None and math.isfinite(cell.final) and scale.share(cell.final) < 0.6


def _gone(cell: Cell) -> bool:
    """Whether half of its runs or more diverged."""
    return cell.n > 0 and cell.diverged / cell.n >= HALF


def _mixed(ramp: Sequence[tuple[int, int, int]], far: float) -> str:
    first = 0 if far < 0.5 else 1
    part = 2 * min(1.0, max(0.0, far)) - first
    red, green, blue = (round(a + (b - a) * part) for a, b in zip(ramp[first], ramp[first + 1], strict=True))
    return f"#{red:02x}{green:02x}{blue:02x}"


def _owners(drawn: Sequence[Cell], x: Lattice, y: Lattice, columns: int, rows: int) -> dict[Spot, Cell]:
    """The cell that speaks for each square between half positions, on which all sides of cells lie; `drawn`: coarse cells first.

    A finer one without a result takes nothing from the coarser below it.
    """
    across, up = 2 * x.stride * columns, 2 * y.stride * rows
    out: dict[Spot, Cell] = {}
    for cell in drawn:
        (left, right), (low, high) = (_span(cell.spot[n], cell.size[n], axis) for n, axis in enumerate((x, y)))
        for i in range(max(0, round(left * 2 * x.stride)), min(across, round(right * 2 * x.stride))):
            for j in range(max(0, round(low * 2 * y.stride)), min(up, round(high * 2 * y.stride))):
                if cell.n or (i, j) not in out:
                    out[i, j] = cell
    return out


def _seen(cell: Cell, owner: Mapping[Spot, Cell], x: Lattice, y: Lattice, columns: int, rows: int) -> Box:
    """What one sees of a cell along both lines through its point."""
    middle = tuple(round((at / axis.stride + 0.5) * 2 * axis.stride) for at, axis in zip(cell.spot, (x, y), strict=False))
    ends = []
    for n, axis, count in ((0, x, columns), (1, y, rows)):
        reach = []
        for step, start in ((-1, -1), (1, 0)):
            at = [middle[0], middle[1]]
            at[n] += start
            while owner.get((at[0], at[1])) is cell:
                at[n] += step
            reach.append((at[n] if step > 0 else at[n] + 1) * SIDE / (2 * axis.stride * count))
        ends.append(reach)
    (left, right), (low, high) = ends
    return left, SIDE - high, right - left, high - low


def _boundary(owner: Mapping[Spot, Cell], x: Lattice, y: Lattice, columns: int, rows: int) -> str:
    """Lines between places of which one is at half or more and the other is not."""
    wide, high = SIDE / (2 * x.stride * columns), SIDE / (2 * y.stride * rows)
    gone = {square: _gone(cell) for square, cell in owner.items() if cell.n}
    lines = []
    for (i, j), one in gone.items():
        if gone.get((i + 1, j), one) != one:
            lines.append(f"M{(i + 1) * wide:.1f} {SIDE - j * high:.1f}V{SIDE - (j + 1) * high:.1f}")
        if gone.get((i, j + 1), one) != one:
            lines.append(f"M{i * wide:.1f} {SIDE - (j + 1) * high:.1f}H{(i + 1) * wide:.1f}")
    return "".join(lines)


# -- beside it -----------------------------------------------------------------------------------------------


def _legend(left: float, top: float, wide: float, scale: Scale | None, metric: str, cells: Sequence[Cell]) -> Iterator[str]:
    room = min(wide, SIDE) - 28
    bars = []
    if scale is not None:
        ends = (f"{scale.low:.3g}", f"{scale.high:.3g}")
        bars.append((TRAINED[::-1], f"not diverged: median {metric}{' (log)' if scale.log else ''}", ends))
    if any(_gone(cell) for cell in cells):
        bars.append((DIVERGED, "diverged", ("half", "all")))
    for n, (ramp, words, ends) in enumerate(bars):
        half, at = (0.62 * room, left) if ramp is not DIVERGED else (0.38 * room, left + 0.62 * room + 28 if n else left)
        stops = "".join(f'<stop offset="{part}" stop-color="{_mixed(ramp, part)}"/>' for part in (0, 0.5, 1))
        yield f'<defs><linearGradient id="fl-ramp{n}">{stops}</linearGradient></defs>'
        yield f'<text class="fl-ink" x="{at:g}" y="{top:g}" font-size="12">{escape(words)}</text>'
        yield f'<rect x="{at:g}" y="{top + 8:g}" width="{half:g}" height="12" fill="url(#fl-ramp{n})"/>'
        yield f'<text class="fl-ink" x="{at:g}" y="{top + 34:g}" font-size="12">{ends[0]}</text>'
        yield f'<text class="fl-ink" x="{at + half:g}" y="{top + 34:g}" font-size="12" text-anchor="end">{ends[1]}</text>'


def _summary(axes: Sequence[Lattice], cells: Sequence[Cell]) -> str:
    known = [cell for cell in cells if cell.n]
    over = " and ".join(axis.knob for axis in axes)
    return (
        f"Map over {over}: {len(known)} of {len(cells)} cells have results; in {sum(map(_gone, known))} half of the runs or more diverged."
    )


def by_spot(cells: Sequence[Cell]) -> Mapping[str, Cell]:
    """Cells under the names that the picture gives them."""
    return {" ".join(str(at) for at in cell.spot): cell for cell in cells}
