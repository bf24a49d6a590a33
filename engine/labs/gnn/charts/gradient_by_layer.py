"""How much of the gradient reaches each layer."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from engine.labs.chart import Chart, Events, Frames, RunStyle
from engine.labs.gnn.charts._by_layer import by_index


class GradientByLayer(Chart):
    """Variance of the derivative of the loss by the states of each layer, at the newest reading."""

    title = "Gradient, layer by layer"
    about = (
        "Variance of the derivative of the loss by the states of a layer, at the newest reading: small on the left is a vanishing gradient."
    )
    needs = ("variance/backward",)
    log = True
    live = "moment"
    order = 28

    def figure(self, runs: Sequence[RunStyle], frames: Frames, events: Events, layer: str = "") -> go.Figure:
        return by_index(runs, frames, "variance/backward", "layer", "variance of the gradient", first=1)
