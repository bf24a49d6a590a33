"""Points that lie outside a square panel: an arrow at its edge for each, and a sentence on how far away they are."""

from __future__ import annotations

import math
from collections.abc import Sequence

Point = tuple[float, float]
INSET = 0.965  # of the half-width: where the arrows stand


def at_edge(outside: Sequence[Point], reach: float) -> list[tuple[float, float, float]]:
    """-> (x, y, angle in degrees, clockwise from up) where the line from the centre to each point leaves the square of half-width `reach`.

    A point with NaN has no direction and no arrow; an infinite coordinate counts as one far beyond every finite one.
    """
    out = []
    for x, y in outside:
        if math.isnan(x) or math.isnan(y):
            continue
        if math.isinf(x) or math.isinf(y):
            x, y = (math.copysign(1.0, v) if math.isinf(v) else 0.0 for v in (x, y))
        longest = max(abs(x), abs(y))
        out.append((INSET * reach * (x / longest), INSET * reach * (y / longest), math.degrees(math.atan2(x / longest, y / longest))))
    return out


def far(outside: Sequence[Point], count: int, radius: float) -> str:
    """How many of `count` points lie outside, how far the middle one of them is in radii of the data, and how many are not finite."""
    if not outside:
        return ""
    lengths = sorted(math.hypot(x / radius, y / radius) for x, y in outside if math.isfinite(x) and math.isfinite(y))
    odd = len(outside) - len(lengths)
    parts = [f"{len(outside)} of {count} outside"]
    if lengths:
        parts.append(f"half beyond {lengths[len(lengths) // 2]:.3g} × the data")
    if odd:
        parts.append(f"{odd} not finite")
    return "<br>".join(parts)
