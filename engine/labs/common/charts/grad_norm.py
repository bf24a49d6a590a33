"""Global gradient norm."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from engine.labs.chart import Chart, Events, Frames, RunStyle, blank
from engine.labs.common.traces import line, marks


class GradNorm(Chart):
    """Length of the whole gradient before clipping."""

    title = "Gradient norm"
    about = "The length of the gradient of all weights together, before clipping: it grows by powers of ten when training becomes unstable."
    needs = ("grad_norm",)
    log = True
    order = 40

    def figure(self, runs: Sequence[RunStyle], frames: Frames, events: Events, layer: str = "") -> go.Figure:
        figure = blank(y_title="gradient norm")
        for run_style in runs:
            figure.add_traces(line(run_style, frames, "grad_norm"))
        marks(figure, runs, frames, events)
        return figure
