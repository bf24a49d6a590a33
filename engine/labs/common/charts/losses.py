"""Training and validation loss."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from engine.labs.chart import Chart, Events, Frames, RunStyle, blank
from engine.labs.common.traces import line, marks, sparse_line


class Losses(Chart):
    """Training loss of every batch as a line, validation loss as open circles, spikes as diamonds."""

    title = "Loss"
    about = (
        "How wrong the model is, batch by batch (line) and in evaluation (open circles), on data held out where the task has such; "
        "a diamond is a spike, × and ▲ at the edge are not finite."
    )
    needs = ("loss/train",)
    log = True
    order = 10

    def figure(self, runs: Sequence[RunStyle], frames: Frames, events: Events, layer: str = "") -> go.Figure:
        figure = blank(y_title="loss")
        for run_style in runs:
            figure.add_traces(line(run_style, frames, "loss/train", name="training"))
        for run_style in runs:
            figure.add_traces(sparse_line(run_style, frames, "loss/validation", name="validation", size=8))
        marks(figure, runs, frames, events, spikes={"spike": "loss/train"})
        return figure
