"""The still chart as a Streamlit component: a whole figure without a run, redrawn in place when it changes.

It looks like the live charts and draws with the same plotly.js; `st.plotly_chart` would rebuild its node at every move of a slider.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from pages.parts.charts.prefix import prefix
from pages.parts.own_component import own_component
from pages.parts.plain import figure_data

MOST_MARKS = 40  # of one trace
ODD = {"NaN": ("✕ NaN", 0.9), "+Inf": ("▲ +Inf", 0.98), "-Inf": ("▼ −Inf", 0.03)}  # what is drawn, at which height of the panel

_mount = own_component("still_chart", "charts/chart_look.js", "charts/still_chart.js", style="charts/live_chart.css")


def still_chart(
    key: str,
    figure: go.Figure,
    message: str,
    *,
    needs_webgl: bool = False,
    on_zoom: Callable[[Sequence[float] | None], None] | None = None,
) -> None:
    """Mount the chart `key`; `message` is what a person hears who cannot see it.  A browser without WebGL says so where it is needed.

    `on_zoom` hears the range of x that a person chose, or None for everything; the chosen range stays when the figure changes.
    """

    def heard() -> None:
        if on_zoom is not None:
            on_zoom((st.session_state.get(key) or {}).get("range"))

    for mark in odd_marks(figure):
        figure.add_annotation(mark)
    data = {"figure": figure_data(figure), "says": message, "prefix": prefix(), "webgl": needs_webgl, "zooms": on_zoom is not None}
    _mount(key=key, data=data, on_range_change=heard)


def odd_marks(figure: go.Figure) -> Iterator[dict[str, Any]]:
    """A mark at the edge of the panel for every y of a line that is not finite: no axis can place it, and none must hide it."""
    for trace in figure.data:
        if trace.type not in ("scatter", "bar") or getattr(trace, "orientation", None) == "h" or trace.y is None:
            continue
        x_axis, y_axis = trace.xaxis or "x", trace.yaxis or "y"
        logarithmic = getattr(figure.layout, x_axis.replace("x", "xaxis")).type == "log"
        ys = list(trace.y)
        xs = list(trace.x) if trace.x is not None else list(range(len(ys)))
        odd = [(x, y) for x, y in zip(xs, ys, strict=False) if isinstance(y, float) and not math.isfinite(y)]
        for x, y in odd[:MOST_MARKS]:
            if logarithmic and not (isinstance(x, int | float) and x > 0):
                continue
            shown, height = ODD["NaN" if math.isnan(y) else "+Inf" if y > 0 else "-Inf"]
            colour = (trace.line.color if trace.type == "scatter" else None) or "#8A8A8A"
            yield {
                "x": math.log10(x) if logarithmic else x,
                "xref": x_axis,
                "y": height,
                "yref": f"{y_axis} domain",
                "text": shown if (x, y) == odd[0] else shown[0],  # the word once, then the sign alone
                "hovertext": f"{shown[2:]} at {x}: {trace.name or 'value'}",
                "showarrow": False,
                "font": {"color": colour},
            }
