"""How much the features swing from step to step, beside what the change of batch alone would give."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from engine.labs.chart import Chart, Events, Frames, RunStyle, blank
from engine.labs.common.traces import NEUTRAL, line, marks


class FeatureSwing(Chart):
    """Mean change of the feature norm per step over its mean, with the value that chance gives."""

    title = "Swing of the features"
    about = (
        "By how much the size of the features changes from step to step, as a share of that size; the grey band is what the change "
        "of pictures and noise alone would give a model at rest."
    )
    needs = ("oscillation/train",)
    log = True
    order = 18

    def figure(self, runs: Sequence[RunStyle], frames: Frames, events: Events, layer: str = "") -> go.Figure:
        figure = blank(y_title="change per step / size")
        for run_style in [run_style for run_style in runs if run_style.has("oscillation/chance")][:1]:
            band = line(run_style, frames, "oscillation/chance", smooth=False, fill="tozeroy", fillcolor="rgba(138,138,138,0.25)")
            band[0].update(name="chance alone", line={"color": NEUTRAL, "width": 1, "dash": "dash"}, legendgroup="chance")
            band[0].update(hovertemplate="%{y:.3~g}<extra>chance alone</extra>")
            figure.add_traces(band)
        for run_style in runs:
            figure.add_traces(line(run_style, frames, "oscillation/train"))
        marks(figure, runs, frames, events)
        return figure
