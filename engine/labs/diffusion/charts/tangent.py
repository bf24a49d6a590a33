"""The length of the tangent before and after shaping."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from engine.labs.chart import Chart, Events, Frames, RunStyle, blank
from engine.labs.common.traces import line, marks


class Tangent(Chart):
    """Raw tangent as a line, shaped tangent as a thin one."""

    title = "Tangent"
    about = (
        "How far the network is asked to move: the raw tangent (thick) shows whether training is sound; the loss sees only the "
        "shaped one (thin), which stays small whatever happens."
    )
    needs = ("tangent/raw", "tangent/shaped")
    log = True
    order = 20

    def figure(self, runs: Sequence[RunStyle], frames: Frames, events: Events, layer: str = "") -> go.Figure:
        figure = blank(y_title="length of the tangent")
        for run_style in runs:
            figure.add_traces(line(run_style, frames, "tangent/raw", name="raw", width=2))
            figure.add_traces(line(run_style, frames, "tangent/shaped", name="shaped", width=0.8))
        marks(figure, runs, frames, events)
        return figure
