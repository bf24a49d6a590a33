"""How far numbers are from what they should be."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from engine.labs.chart import Chart, Events, Frames, RunStyle, blank
from engine.labs.common.traces import line, marks, sparse_line


class RootMeanSquareError(Chart):
    """Root mean square error of the training pass as a line, of the validation examples as open circles."""

    title = "Error of the numbers"
    about = (
        "Root mean square error over examples and nodes, in the training pass (line) and on examples held out (open circles), in "
        "standard deviations of the answers."
    )
    needs = ("rmse/train",)
    log = True
    order = 12
    group = "training"

    def figure(self, runs: Sequence[RunStyle], frames: Frames, events: Events, layer: str = "") -> go.Figure:
        figure = blank(y_title="root mean square error")
        for run_style in runs:
            figure.add_traces(line(run_style, frames, "rmse/train", name="training"))
        for run_style in runs:
            figure.add_traces(sparse_line(run_style, frames, "rmse/validation", name="validation", size=8))
        marks(figure, runs, frames, events)
        return figure
