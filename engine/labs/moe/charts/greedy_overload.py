"""What evaluation takes away from a router that shares out its batches in training."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from engine.labs.chart import Chart, Events, Frames, RunStyle, blank
from engine.labs.common.traces import line, marks


class GreedyOverload(Chart):
    """Max violation of the training batches as they were routed, and as greedy evaluation would route them."""

    title = "Balanced in training, greedy in evaluation"
    about = (
        "How far the busiest expert lies above an equal share: as training routed the batch (thin), and as evaluation would route "
        "the same batch, by the scores alone (dots)."
    )
    needs = ("router/greedy_max_violation",)
    layered = True
    log = True
    order = 51

    def figure(self, runs: Sequence[RunStyle], frames: Frames, events: Events, layer: str = "") -> go.Figure:
        figure = blank(y_title="max violation")
        for run_style in runs:
            figure.add_traces(line(run_style, frames, "router/max_violation", layer, name="in training", width=0.8))
            dots = {"mode": "lines+markers", "marker": {"size": 5}, "smooth": False}
            figure.add_traces(line(run_style, frames, "router/greedy_max_violation", layer, name="greedy", width=1.8, **dots))
        marks(figure, runs, frames, events)
        return figure
