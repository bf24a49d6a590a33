"""A curve as a small picture for one cell of a table: straight between stored points, and a cross where a value was not finite."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

WIDTH, HEIGHT, EDGE, TOP = 104, 30, 3, 8  # pixels; the crosses have the room above `TOP`
LINE, CROSS = "#2F86C8", "#D55E00"  # each at least 3:1 on the light and on the dark page
MOST_CROSSES = 12  # as many as can be told apart


def sparkline(curve: Mapping[str, Any]) -> str:
    """What the store answers for one series (`steps`, `values`, `nonfinite`) -> a data URI of an SVG; "" for a series without points.

    The line goes from the least to the greatest finite value and is broken at every step whose value is not finite.
    """
    steps, values = curve["steps"], curve["values"]
    odd = [step for step, _, _ in curve["nonfinite"]]
    if not steps and not odd:
        return ""
    first, last = min([*steps[:1], *odd]), max([*steps[-1:], *odd])
    low, high = min(values, default=0.0), max(values, default=0.0)
    size = max(abs(low), abs(high))
    across = (WIDTH - 2 * EDGE) / max(1, last - first)

    def x(step: float) -> float:
        return EDGE + (step - first) * across

    def y(value: float) -> float:
        share = 0.5 if high == low else (value / size - low / size) / (high / size - low / size)  # divided first: no overflow
        return HEIGHT - EDGE - share * (HEIGHT - EDGE - TOP)

    parts = []
    for stretch in _stretches(steps, values, odd):
        if len(stretch) == 1:
            ((step, value),) = stretch
            parts.append(f'<circle cx="{x(step):.1f}" cy="{y(value):.1f}" r="1.6" fill="{LINE}"/>')
        else:
            path = " ".join(f"{x(step):.1f},{y(value):.1f}" for step, value in stretch)
            parts.append(f'<polyline points="{path}" fill="none" stroke="{LINE}" stroke-width="1.4"/>')
    crosses = "".join(f"M{at - 2:.1f},2l4,4m0,-4l-4,4" for at in _apart(map(x, odd)))
    parts += [f'<path d="{crosses}" stroke="{CROSS}" stroke-width="1.4"/>'] if crosses else []
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}">{"".join(parts)}</svg>'
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()


def _stretches(steps: list[int], values: list[float], odd: list[int]) -> Iterator[list[tuple[int, float]]]:
    """The finite points, parted where a step between two of them was not finite."""
    stretch: list[tuple[int, float]] = []
    waiting = iter(sorted(odd))
    gap = next(waiting, None)
    for step, value in zip(steps, values, strict=True):
        if gap is not None and gap < step:
            if stretch:
                yield stretch
            stretch = []
            while gap is not None and gap < step:
                gap = next(waiting, None)
        stretch.append((step, value))
    if stretch:
        yield stretch


def _apart(places: Iterable[float]) -> list[float]:
    """At most `MOST_CROSSES` of them, none over another; the first is always kept."""
    kept: list[float] = []
    for at in sorted(places):
        if not kept or at - kept[-1] >= WIDTH / MOST_CROSSES:
            kept.append(at)
    return kept
