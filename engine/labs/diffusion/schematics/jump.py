"""From noise to data in one jump: an arrow for each of some fixed points."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from engine.labs.schematic import Readings, Schematic, framed, moving

JUMPS, DATA = "jumps", "samples/data"
POINTS, SHOWN = 64, 150  # jumps, and points of the data behind them
REACH = 1.4  # data units from the middle to the upper edge
MIDDLE, HALF = (160.0, 100.0), 92.0
SIDE = 152.0  # from the middle to the left and the right edge


class Jump(Schematic):
    """Grey: data.  Each arrow begins at a fixed point of noise and ends where one jump takes it; one that leaves the drawing ends at its
    edge."""

    labs = ("consistency",)
    title = "From noise to data in one jump"
    about = "Grey points are data. Each line begins at a fixed point of noise and ends, with a dot, where one jump takes it."
    needs = (JUMPS,)
    made_from = (DATA,)

    def svg(self, knobs: Mapping[str, Any], layer: str = "", first: Readings | None = None) -> str:
        data = (first or {}).get(DATA)
        if not isinstance(data, Sequence) or len(data) < 2:
            return ""
        points = list(zip(data[::2], data[1::2], strict=False))[:SHOWN]
        parts = [f'<rect class="fl-frame" x="{MIDDLE[0] - SIDE}" y="{MIDDLE[1] - HALF}" width="{2 * SIDE}" height="{2 * HALF}" rx="6"/>']
        parts += [f'<circle class="fl-data" cx="{_x(x):.1f}" cy="{_y(y):.1f}" r="1.6"/>' for x, y in points]
        wide = REACH * SIDE / HALF
        across, up = f"linear:{-wide:.4g}:{wide:.4g}", f"linear:{-REACH:g}:{REACH:g}"
        x_ends, y_ends = (MIDDLE[0] - SIDE, MIDDLE[0] + SIDE), (MIDDLE[1] + HALF, MIDDLE[1] - HALF)
        for point in range(POINTS):
            drives = [
                (f"{axis}{end}", 4 * point + 2 * (end - 1) + i, ends, scale)
                for end in (1, 2)
                for i, (axis, ends, scale) in enumerate((("x", x_ends, across), ("y", y_ends, up)))
            ]
            start = f'x1="{MIDDLE[0]:g}" y1="{MIDDLE[1]:g}" x2="{MIDDLE[0]:g}" y2="{MIDDLE[1]:g}"'
            parts.append(f'<line class="fl-jump" {start} {moving(JUMPS, "", drives)}/>')
            dot = moving(JUMPS, "", [("cx", 4 * point + 2, x_ends, across), ("cy", 4 * point + 3, y_ends, up)])
            parts.append(f'<circle class="fl-node" cx="{MIDDLE[0]:g}" cy="{MIDDLE[1]:g}" r="3" {dot}/>')
        return framed(parts, f"{POINTS} points of noise and where one jump takes them, over the data")

    def sentence(self, knobs: Mapping[str, Any], readings: Readings, layer: str = "") -> str:
        jumps = readings.get(JUMPS)
        if not isinstance(jumps, Sequence) or len(jumps) < 4:
            return ""
        ends = list(zip(jumps[2::4], jumps[3::4], strict=False))
        odd = sum(not (math.isfinite(x) and math.isfinite(y)) for x, y in ends)
        outside = sum(math.hypot(x, y) > REACH for x, y in ends if math.isfinite(x) and math.isfinite(y))
        lengths = sorted(math.dist(jumps[i : i + 2], jumps[i + 2 : i + 4]) for i in range(0, len(jumps) - 3, 4))
        middle = f"the median jump is {lengths[len(lengths) // 2]:.3g} data units long" if not odd else f"{odd} end at no finite place"
        return f"{outside} of {len(ends)} jumps end farther than {REACH:g} from the middle; {middle}."


def _x(value: float) -> float:
    return min(MIDDLE[0] + SIDE, max(MIDDLE[0] - SIDE, MIDDLE[0] + value * HALF / REACH))


def _y(value: float) -> float:
    return min(MIDDLE[1] + HALF, max(MIDDLE[1] - HALF, MIDDLE[1] - value * HALF / REACH))
