"""A small picture of a measured range, its median, and where one run ended in it: HTML, so that it has the colours of the page."""

from __future__ import annotations

import math
from html import escape

from engine.declare.records import print_one
from engine.labs.chart import RunStyle
from engine.labs.verdict import Placed

WIDE, TALL = 160, 24  # pixels


def swatch(run_style: RunStyle) -> str:
    """The line of a run as every chart draws it."""
    kind = {"solid": "solid", "dot": "dotted", "dash": "dashed", "dashdot": "dashed"}[run_style.dash]
    style = f"display:inline-block;width:1.6rem;vertical-align:middle;border-top:4px {kind} {run_style.colour}"
    return f'<span aria-hidden="true" style="{style}"></span>'


def picture(placed: Placed, run_style: RunStyle) -> str:
    """The bar is the range of 9 of 10 new runs, its notch the median, the dot this run; "" where nothing can be placed."""
    low, median, high = placed.low, placed.median, placed.high
    if low is None or median is None or high is None:
        return ""
    value = placed.value if math.isfinite(placed.value) else None
    ends = [low, high, *([] if value is None else [value])]
    log = min(ends) > 0 and max(ends) > 20 * min(ends)

    def scaled(x: float) -> float:
        return math.log10(x) if log else x

    first, last = scaled(min(ends)), scaled(max(ends))
    room = 0.08 * ((last - first) or 1.0)

    def at(x: float) -> float:
        return 100 * (scaled(x) - first + room) / (last - first + 2 * room)

    mark = at(value) if value is not None else 1.0 if placed.value < 0 else 99.0
    said = f"{print_one(placed.value, 3)}, {'inside' if placed.inside else 'outside'} {print_one(low, 3)} to {print_one(high, 3)}"
    box = f"position:relative;width:{WIDE}px;height:{TALL}px"
    line = "position:absolute;left:0;right:0;top:12px;border-top:1px solid currentColor;opacity:0.4"
    wide = max(1.0, at(high) - at(low))
    bar = f"position:absolute;left:{at(low):.1f}%;width:{wide:.1f}%;top:7px;height:11px;background:currentColor;opacity:0.25"
    notch = f"position:absolute;left:{at(median):.1f}%;top:4px;height:17px;border-left:2px solid currentColor;opacity:0.7"
    dot = f"position:absolute;left:calc({mark:.1f}% - 6px);top:6px;width:12px;height:12px;border-radius:50%;background:{run_style.colour}"
    parts = "".join(f'<span style="{style}"></span>' for style in (line, bar, notch, dot))
    return f'<div role="img" aria-label="{escape(said)}" title="{escape(said)}" style="{box}">{parts}</div>'
