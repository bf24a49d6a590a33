"""How many examples are answered rightly."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from engine.labs.chart import Chart, Events, Frames, RunStyle, blank
from engine.labs.common.traces import line, marks, sparse_line


class Accuracy(Chart):
    """Accuracy of the training pass as a line, in evaluation mode as open circles."""

    title = "Accuracy"
    about = (
        "Share of examples answered rightly, in the training pass (line) and in evaluation mode (open circles); in a transfer task both "
        "are the same five examples."
    )
    needs = ("accuracy/train",)
    order = 12
    group = "training"

    def figure(self, runs: Sequence[RunStyle], frames: Frames, events: Events, layer: str = "") -> go.Figure:
        figure = blank(y_title="accuracy")
        for run_style in runs:
            figure.add_traces(line(run_style, frames, "accuracy/train", name="training", line_shape="hv"))
        for run_style in runs:
            figure.add_traces(sparse_line(run_style, frames, "accuracy/validation", name="evaluation", size=8))
        figure.update_yaxes(range=[-0.02, 1.05], selector={"overlaying": None})
        marks(figure, runs, frames, events)
        return figure
