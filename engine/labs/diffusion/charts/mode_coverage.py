"""Which share of the parts of the distribution the samples reach."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from engine.labs.chart import Chart, Events, Frames, RunStyle, blank
from engine.labs.common.charts._jumps import jumps
from engine.labs.common.traces import marks, reference_line


class ModeCoverage(Chart):
    """Mode coverage of one-step and two-step samples beside that of real data."""

    title = "Parts of the distribution reached"
    about = (
        "Share of the Gaussians that make up the distribution with enough samples close to them, after one jump (circles) and after two "
        "(triangles); real data reaches the dashed line."
    )
    needs = ("mode_coverage/one_step", "mode_coverage/two_steps", "mode_coverage/data")
    order = 15  # beside the energy distance, which hardly notices a missing part
    group = "samples"

    def figure(self, runs: Sequence[RunStyle], frames: Frames, events: Events, layer: str = "") -> go.Figure:
        figure = blank(y_title="share reached")
        figure.add_traces(reference_line(runs, frames, "mode_coverage/data", "real data"))
        for run_style in runs:
            figure.add_traces(jumps(run_style, frames, "mode_coverage"))
        figure.update_yaxes(range=[-0.03, 1.06], selector={"overlaying": None})
        marks(figure, runs, frames, events)
        return figure
