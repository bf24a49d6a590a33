"""How large the features of the last decoder block are: Figure 1 of ScaleLong."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from engine.labs.chart import Chart, Events, Frames, RunStyle, blank
from engine.labs.common.traces import line, marks, sparse_line


class FeatureNorm(Chart):
    """Squared norm of the outermost decoder block's output: every training batch as a line, the fixed batch as open circles."""

    title = "Size of the features"
    about = (
        "The squared length of what the last decoder block puts out, batch by batch (line) and on pictures that never change "
        "(open circles)."
    )
    needs = ("feature_norm/train",)
    log = True
    order = 14

    def figure(self, runs: Sequence[RunStyle], frames: Frames, events: Events, layer: str = "") -> go.Figure:
        figure = blank(y_title="squared norm")
        for run_style in runs:
            figure.add_traces(line(run_style, frames, "feature_norm/train", name="training batch"))
        for run_style in runs:
            figure.add_traces(sparse_line(run_style, frames, "feature_norm/fixed", name="fixed batch", size=7))
        marks(figure, runs, frames, events)
        return figure
