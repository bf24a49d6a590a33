"""How the verdict on a training forms."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from engine.labs.chart import Chart, Events, Frames, RunStyle, blank
from engine.labs.common.traces import level, line, marks


class TrainabilityValueChart(Chart):
    """The mean so far of the loss in units of the first one, with the level of the verdict."""

    title = "Trains or diverges"
    about = "Mean so far of the loss in units of the first loss, a step counted as 10⁶ at most; what ends above 1 has diverged."
    needs = ("trainability/value",)
    log = True
    order = 25

    def figure(self, runs: Sequence[RunStyle], frames: Frames, events: Events, layer: str = "") -> go.Figure:
        figure = blank(y_title="mean L/L₀")
        for run_style in runs:
            figure.add_traces(line(run_style, frames, "trainability/value", width=2, smooth=False))
        figure.add_trace(level(1.0, "as high as it began"))
        marks(figure, runs, frames, events)
        return figure
