"""How far the jumps land from where the true flow ends."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from engine.labs.chart import Chart, Events, Frames, RunStyle, blank
from engine.labs.common.traces import line, marks, reference_line


class ConsistencyError(Chart):
    """Root mean square distance between jumps and the ends of exact flow lines."""

    title = "Error along the true flow"
    about = (
        "How far a jump lands from the true end of its flow line: over all times (thick) and from pure noise (thin, squares); "
        "the dashed line is the accuracy of the truth itself."
    )
    needs = ("consistency_error", "consistency_error/from_noise", "consistency_error/floor")
    log = True
    order = 30

    def figure(self, runs: Sequence[RunStyle], frames: Frames, events: Events, layer: str = "") -> go.Figure:
        figure = blank(y_title="distance")
        figure.add_traces(reference_line(runs, frames, "consistency_error/floor", "accuracy of the truth"))
        for run_style in runs:
            square = {"symbol": "square-open", "size": 7, "color": run_style.colour, "line": {"width": 1.5}}
            figure.add_traces(line(run_style, frames, "consistency_error", name="all times", width=2, smooth=False))
            figure.add_traces(
                line(
                    run_style,
                    frames,
                    "consistency_error/from_noise",
                    name="from noise",
                    width=0.8,
                    smooth=False,
                    mode="lines+markers",
                    marker=square,
                )
            )
        marks(figure, runs, frames, events)
        return figure
