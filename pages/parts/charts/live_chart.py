"""The live chart as a Streamlit component: Python hands over the skeleton of a figure, the browser fills and feeds it.

What Python sends (`data`) holds no points, so it stays small and does not change while a run grows; the
browser takes points from /snapshot and /live.  `st.plotly_chart` would rebuild its node at every change.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from pages.parts.charts.hub_scripts import HUB
from pages.parts.charts.prefix import prefix
from pages.parts.own_component import own_component
from pages.parts.plain import figure_data
from pages.parts.words import title

_mount = own_component(
    "live_chart",
    *HUB,
    "charts/live_fill.js",
    "charts/live_rows.js",
    "charts/live_chart.js",
    style="charts/live_chart.css",
)
_preload = own_component("preload_charts", "charts/chart_look.js", "charts/preload.js")


def live_chart(
    name: str,
    figure: go.Figure,
    runs: Sequence[str],
    modes: dict[str, Any],
    *,
    living: Sequence[str],
    log: bool,
    redraw: bool = False,
    moment: bool = False,
    jump: int = 0,
    range: Sequence[float] | None,
    theme: str,
    on_zoom: Callable[[Sequence[float] | None], None],
) -> None:
    """Mount the chart `name`; `living`: runs that still grow; `on_zoom` hears the range a person chose, or None for everything.

    `jump`: counts how often the page, and not a hand on a chart, set `range`.
    `redraw`: the figure is whole and is drawn as it is, on axes of its own; `moment`: the browser fills it at one step, on axes of its own.
    """
    key = f"chart_{name}"

    def heard() -> None:
        on_zoom((st.session_state.get(key) or {}).get("range") or None)

    data = {
        "name": name,
        "title": title(name),
        "figure": figure_data(figure),
        "runs": list(runs),
        "living": list(living),
        "modes": modes,
        "log": log,
        "redraw": redraw or moment,
        "moment": moment,
        "range": list(range) if range else None,
        "jump": jump,
        "theme": theme,
        "prefix": prefix(),
    }
    _mount(key=key, data=data, on_range_change=heard)


def preload() -> None:
    """Let the browser fetch the charts' library while a person still reads the gallery."""
    _preload(key="preload_charts", data={"prefix": prefix()})
