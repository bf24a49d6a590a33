"""How much the features swing from step to step, beside what the change of batch alone would give."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from engine.labs.chart import Chart, Events, Frames, RunLook, blank
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
    place = 18

    def figure(self, runs: Sequence[RunLook], frames: Frames, events: Events, layer: str = "") -> go.Figure:
        figure = blank(y_title="change per step / size")
        for look in [look for look in runs if look.has("oscillation/chance")][:1]:
            band = line(look, frames, "oscillation/chance", smooth=False, fill="tozeroy", fillcolor="rgba(138,138,138,0.25)")
            band[0].update(name="chance alone", line={"color": NEUTRAL, "width": 1, "dash": "dash"}, legendgroup="chance")
            band[0].update(hovertemplate="%{y:.3~g}<extra>chance alone</extra>")
            figure.add_traces(band)
        for look in runs:
            figure.add_traces(line(look, frames, "oscillation/train"))
        marks(figure, runs, frames, events)
        return figure
