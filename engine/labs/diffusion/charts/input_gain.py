"""How far a small push on the input moves the answer and the features."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from engine.labs.chart import Chart, Events, Frames, RunStyle, blank
from engine.labs.common.traces import NEUTRAL, line, marks


class InputGain(Chart):
    """Distance between the features of a pushed and an unpushed input over the length of the push; the same of the answer."""

    title = "Answer to a small push"
    about = (
        "How many times longer a small push on the input becomes by the last decoder block (line) and in the network's answer (open "
        "circles); the grey line is what rounding alone could make of it."
    )
    needs = ("gain/feature", "gain/output")
    log = True
    order = 26

    def figure(self, runs: Sequence[RunStyle], frames: Frames, events: Events, layer: str = "") -> go.Figure:
        figure = blank(y_title="gain")
        for run_style in runs:
            figure.add_traces(
                line(run_style, frames, "gain/feature", name="features", smooth=False, mode="lines+markers", marker={"size": 5})
            )
            ring = {"symbol": "circle-open", "size": 7, "color": run_style.colour, "line": {"width": 2}}
            figure.add_traces(
                line(run_style, frames, "gain/output", name="answer", width=0.8, smooth=False, mode="lines+markers", marker=ring)
            )
        for run_style in [run_style for run_style in runs if run_style.has("gain/rounding")][:1]:
            floor = line(run_style, frames, "gain/rounding", smooth=False)
            floor[0].update(name="rounding", line={"color": NEUTRAL, "width": 1, "dash": "dash"}, legendgroup="rounding")
            floor[0].update(hovertemplate="%{y:.3~g}<extra>rounding</extra>")
            figure.add_traces(floor)
        marks(figure, runs, frames, events)
        return figure
