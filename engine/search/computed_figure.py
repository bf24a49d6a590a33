"""A map whose cells were computed at once as a picture: SVG text, with the colours of the page.

Cells of one tone that lie side by side are one rectangle, so that the picture of 64 times 64 cells stays small.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

from engine.search.figure import FONT, SIDE, STYLE

TONES = 24  # of a ramp
CAP = 1e6  # a step counts as that at most
RAMPS = {  # from the boundary outwards, as pages/parts/map/colours.js
    "trained": ((222, 235, 247), (66, 146, 198), (8, 48, 107)),
    "diverged": ((77, 24, 0), (204, 76, 2), (254, 196, 79)),
    "nonfinite": ((63, 0, 82), (136, 65, 157), (224, 160, 214)),
}
LEFT, TOP, BOTTOM, RIGHT = 70.0, 16.0, 118.0, 34.0
LEGEND = (  # ramp, what it stands for, at both ends
    ("trained", "mean loss / first", "1", "0.001"),
    ("diverged", "the same, diverged", "1", "10⁶"),
    ("nonfinite", "no number at the end", "late", "early"),
)

Axis = tuple[str, float, float]  # knob, low, high


def tiles_svg(cells: Sequence[Mapping[str, Any]], side: int, x: Axis, y: Axis) -> str:
    """`cells`: side × side, row by row from below, each with `value` and `final`; x and y logarithmic."""
    width, height = LEFT + SIDE + RIGHT, TOP + SIDE + BOTTOM
    gone = sum(cell["value"] > 1.0 for cell in cells)
    words = f"Map of {len(cells)} trainings over {x[0]} and {y[0]}: {gone} of them diverge."
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" {FONT} role="img" ',
        f'aria-label="{escape(words)}">',
        f"<style>{STYLE}</style>",
        f'<g transform="translate({LEFT:g} {TOP:g})" shape-rendering="crispEdges">',
        *_rows(cells, side),
        f'<rect class="fl-line" width="{SIDE:g}" height="{SIDE:g}" fill="none"/></g>',
        *_ticks(x, y),
        *_legend(),
        "</svg>",
    ]
    return "\n".join(parts)


def colour_of(value: float, final: Any) -> str:
    """As the page colours a cell: by its verdict, and by how far it is from the boundary."""
    if not (isinstance(final, int | float) and math.isfinite(final)):
        return _toned("nonfinite", value / CAP)
    return _toned("diverged", math.log10(value) / 6) if value > 1.0 else _toned("trained", -math.log10(value) / 3 if value > 0 else 1.0)


def _rows(cells: Sequence[Mapping[str, Any]], side: int) -> Iterator[str]:
    step = SIDE / side
    for row in range(side):
        start = 0
        colours = [colour_of(cell["value"], cell["final"]) for cell in cells[row * side : (row + 1) * side]]
        for at in range(1, side + 1):
            if at == side or colours[at] != colours[start]:
                box = f'x="{start * step:g}" y="{SIDE - (row + 1) * step:g}" width="{(at - start) * step:g}" height="{step:g}"'
                yield f'<rect {box} fill="{colours[start]}"/>'
                start = at


def _toned(ramp: str, far: float) -> str:
    share = round(min(1.0, max(0.0, far)) * (TONES - 1)) / (TONES - 1)
    first = 0 if share < 0.5 else 1
    part, at = 2 * share - first, RAMPS[ramp]
    red, green, blue = (round(a + (b - a) * part) for a, b in zip(at[first], at[first + 1], strict=True))
    return f"#{red:02x}{green:02x}{blue:02x}"


def _ticks(x: Axis, y: Axis) -> Iterator[str]:
    for power in _powers(x):
        at = LEFT + _share(x, 10.0**power) * SIDE
        yield f'<path class="fl-line" d="M{at:.1f} {TOP + SIDE:g}v5"/>'
        yield f'<text class="fl-ink" x="{at:.1f}" y="{TOP + SIDE + 20:g}" text-anchor="middle">{10.0**power:g}</text>'
    for power in _powers(y):
        at = TOP + SIDE - _share(y, 10.0**power) * SIDE
        yield f'<path class="fl-line" d="M{LEFT:g} {at:.1f}h-5"/>'
        yield f'<text class="fl-ink" x="{LEFT - 9:g}" y="{at + 4:.1f}" text-anchor="end">{10.0**power:g}</text>'
    yield f'<text class="fl-ink" x="{LEFT + SIDE / 2:g}" y="{TOP + SIDE + 42:g}" text-anchor="middle">{escape(x[0])}</text>'
    yield f'<text class="fl-ink" transform="translate(16 {TOP + SIDE / 2:g}) rotate(-90)" text-anchor="middle">{escape(y[0])}</text>'


def _powers(axis: Axis) -> range:
    return range(math.ceil(math.log10(axis[1]) - 1e-9), math.floor(math.log10(axis[2]) + 1e-9) + 1)


def _share(axis: Axis, value: float) -> float:
    return math.log(value / axis[1]) / math.log(axis[2] / axis[1])


def _legend() -> Iterator[str]:
    wide, top = (SIDE - 48) / 3, TOP + SIDE + 66
    for n, (ramp, words, near, end) in enumerate(LEGEND):
        at = LEFT + n * (wide + 24)
        stops = "".join(f'<stop offset="{part}" stop-color="{_toned(ramp, part)}"/>' for part in (0, 0.5, 1))
        yield f'<defs><linearGradient id="fl-{ramp}">{stops}</linearGradient></defs>'
        yield f'<text class="fl-ink" x="{at:g}" y="{top:g}" font-size="12">{words}</text>'
        yield f'<rect x="{at:g}" y="{top + 8:g}" width="{wide:g}" height="12" fill="url(#fl-{ramp})"/>'
        yield f'<text class="fl-ink" x="{at:g}" y="{top + 34:g}" font-size="12">{near}</text>'
        yield f'<text class="fl-ink" x="{at + wide:g}" y="{top + 34:g}" font-size="12" text-anchor="end">{end}</text>'
