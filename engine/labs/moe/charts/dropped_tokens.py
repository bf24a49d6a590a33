"""How many tokens no expert takes."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from engine.labs.chart import Chart, Events, Frames, RunStyle, blank
from engine.labs.common.traces import line, marks


class DroppedTokens(Chart):
    """The share of the tokens that no expert takes, over the steps."""

    title = "Tokens that no expert takes"
    about = "The share of a step's tokens whose experts are all full, or that no expert chose: they pass the layer unchanged."
    needs = ("router/dropped",)
    layered = True
    order = 53

    def figure(self, runs: Sequence[RunStyle], frames: Frames, events: Events, layer: str = "") -> go.Figure:
        figure = blank(y_title="share of tokens")
        for run_style in runs:
            figure.add_traces(line(run_style, frames, "router/dropped", layer))
        marks(figure, runs, frames, events)
        return figure
