"""By how much the busiest expert exceeds its equal share, beside what chance alone would show."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from engine.labs.chart import Chart, Events, Frames, RunStyle, blank
from engine.labs.common.traces import NEUTRAL, line, marks


class MaxViolation(Chart):
    """Largest load over equal load, minus one, with its sampling-noise band."""

    title = "Overload of the busiest expert"
    about = (
        "How far the busiest expert lies above an equal share (1 means twice its share); the grey band is what "
        "a perfectly balanced router would show by chance in one batch."
    )
    needs = ("router/max_violation",)
    layered = True
    log = True
    order = 50

    def figure(self, runs: Sequence[RunStyle], frames: Frames, events: Events, layer: str = "") -> go.Figure:
        figure = blank(y_title="max violation")
        noisy = [run_style for run_style in runs if run_style.has("router/max_violation_noise")][:1]
        for run_style in noisy:  # the band depends on batch and experts only, so one run speaks for its twin
            band = line(
                run_style, frames, "router/max_violation_noise", layer, smooth=False, fill="tozeroy", fillcolor="rgba(138,138,138,0.25)"
            )
            band[0].update(name="chance alone", line={"color": NEUTRAL, "width": 1, "dash": "dash"}, legendgroup="chance")
            band[0].update(hovertemplate="%{y:.3~g}<extra>chance alone</extra>")
            figure.add_traces(band)
        for run_style in runs:
            figure.add_traces(line(run_style, frames, "router/max_violation", layer))
        marks(figure, runs, frames, events)
        return figure
