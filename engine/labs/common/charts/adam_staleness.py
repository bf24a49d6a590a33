"""Whether Adam's memory of the gradient's size still fits the gradient."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from engine.labs.chart import Chart, Events, Frames, RunStyle, blank
from engine.labs.common.traces import line, marks


class AdamStaleness(Chart):
    """Staleness of the second moment, its ceiling, and the largest step of any weight in units of the learning rate."""

    title = "Does Adam's memory fit?"
    about = (
        "The gradient over Adam's memory of its size (thick): 1 fits, a peak towards the thin line is a gradient that outgrew "
        "its past; dots are the largest step of any weight in units of the learning rate."
    )
    needs = ("adam/staleness", "adam/ceiling", "adam/largest_update")
    log = True
    order = 45

    def figure(self, runs: Sequence[RunStyle], frames: Frames, events: Events, layer: str = "") -> go.Figure:
        figure = blank(y_title="ratio")
        for run_style in runs:
            figure.add_traces(line(run_style, frames, "adam/staleness", name="staleness", width=2, smooth=False))
            figure.add_traces(line(run_style, frames, "adam/ceiling", name="ceiling", width=0.8, smooth=False))
            dots = {"mode": "markers", "marker": {"size": 4, "color": run_style.colour, "symbol": "circle-open"}}
            figure.add_traces(line(run_style, frames, "adam/largest_update", name="largest step", width=0.8, smooth=False, **dots))
        marks(figure, runs, frames, events)
        return figure
