"""Every run as a line through its knobs and what it came to, where three knobs or more differ."""

from __future__ import annotations

import math

import plotly.graph_objects as go

from engine.declare.revise import written
from engine.labs.chart import blank
from pages.parts.charts.run_styles import COLOURS
from pages.parts.compare.picture import ComparisonPicture, Shown, short, tag_free

FEWEST = 3  # knobs that differ
MOST_TICKS = 12


class ParallelCoordinates(ComparisonPicture):
    """One axis a knob, the last one the metric; runs that diverged stand above its largest value."""

    title = "Knobs and outcome"
    about = (
        "Each line is a run through the knobs that differ to what it came to, blue where that is low and orange where it is high; "
        "drag along an axis to pick runs. Diverged runs end on top."
    )
    order = 70
    wide = True
    needs_webgl = True

    def fits(self, shown: Shown) -> bool:
        return len(shown.arms.heads) >= FEWEST and bool(_rows(shown))

    def figure(self, shown: Shown) -> go.Figure:
        rows = _rows(shown)
        finite = [v for _, v in rows if math.isfinite(v)] or [0.0]
        top = max(finite) + 0.15 * ((max(finite) - min(finite)) or abs(max(finite)) or 1.0)
        outcome = [v if math.isfinite(v) else top for _, v in rows]
        axes = [_axis(tag_free(name), [knobs.get(name) for knobs, _ in rows]) for name in shown.arms.heads]
        last = {"label": shown.axis, "values": short(outcome), "range": [min(finite), top]}
        if any(not math.isfinite(v) for _, v in rows):
            ticks = sorted({*short([min(finite), (min(finite) + max(finite)) / 2, max(finite)])})
            last |= {"tickvals": [*ticks, top], "ticktext": [*(f"{t:.3g}" for t in ticks), "diverged"]}
        low, high = COLOURS.get(shown.theme, COLOURS["light"])[:2]
        line = {"color": short(outcome), "colorscale": [[0, low], [1, high]], "showscale": False}
        figure = blank(height=380)
        figure.layout.margin.update(l=70, r=70, t=60, b=30)
        figure.add_trace(go.Parcoords(line=line, dimensions=[*axes, last], labelangle=-15))
        return figure


def _rows(shown: Shown) -> list[tuple[dict, float]]:
    """(knobs of its arm, value) of every run that has one."""
    return [(dict(arm.knobs), v) for arm in shown.arms.arms for v in shown.overview.values[arm.name].values() if v is not None]


def _axis(label: str, values: list) -> dict:
    """A number as it is; anything else in the order in which it comes."""
    if all(isinstance(v, int | float) and not isinstance(v, bool) for v in values):
        positive = min(values) > 0 and max(values) >= 10 * min(values)
        scaled = [math.log10(v) for v in values] if positive else [float(v) for v in values]
        marks = dict(sorted(zip(scaled, map(written, values), strict=True)))
        ticks = {"tickvals": list(marks), "ticktext": list(marks.values())} if len(marks) <= MOST_TICKS else {}
        return {"label": label, "values": scaled, **ticks}
    names = list(dict.fromkeys(written(v) or "–" for v in values))
    numbers = [names.index(written(v) or "–") for v in values]
    return {"label": label, "values": numbers, "tickvals": list(range(len(names))), "ticktext": [tag_free(n)[:24] for n in names]}
