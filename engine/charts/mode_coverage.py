"""Which share of the parts of the distribution the samples reach."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from engine.chart import Chart, Events, Frames, RunLook, blank
from engine.traces import NEUTRAL, line, marks


class ModeCoverage(Chart):
    """Mode coverage of one-step and two-step samples beside that of real data."""

    title = "Parts of the distribution reached"
    about = (
        "Share of the Gaussians that make up the distribution with enough samples close to them, after one jump (circles) and after two "
        "(triangles); real data reaches the dashed line."
    )
    needs = ("mode_coverage/one_step", "mode_coverage/two_steps", "mode_coverage/data")
    place = 46

    def figure(self, runs: Sequence[RunLook], frames: Frames, events: Events, layer: str = "") -> go.Figure:
        figure = blank(y_title="share reached")
        for look in [look for look in runs if look.has("mode_coverage/data")][:1]:
            real = line(look, frames, "mode_coverage/data", smooth=False)
            real[0].update(name="real data", line={"color": NEUTRAL, "width": 1.4, "dash": "dash"}, legendgroup="data")
            real[0].update(hovertemplate="%{y:.3~g}<extra>real data</extra>")
            figure.add_traces(real)
        for look in runs:
            one = {"symbol": "circle", "size": 6, "color": look.colour}
            two = {"symbol": "triangle-up-open", "size": 8, "color": look.colour, "line": {"width": 1.6}}
            shared = {"smooth": False, "mode": "lines+markers"}
            figure.add_traces(line(look, frames, "mode_coverage/one_step", name="one jump", width=2, marker=one, **shared))
            figure.add_traces(line(look, frames, "mode_coverage/two_steps", name="two jumps", width=1, marker=two, **shared))
        figure.update_yaxes(range=[-0.03, 1.06], selector={"overlaying": None})
        marks(figure, runs, frames, events)
        return figure
