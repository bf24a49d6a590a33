"""How large the states are, layer by layer."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from engine.labs.chart import Chart, Events, Frames, RunStyle
from engine.labs.gnn.charts._by_layer import by_index


class VarianceByLayer(Chart):
    """Variance over the channels of a node's state, by layer, at the newest reading."""

    title = "Size of the states, layer by layer"
    about = "Variance over the channels of a node, mean over nodes, by layer, at the newest reading of the training pass."
    needs = ("variance/forward",)
    log = True
    live = "moment"
    order = 26

    def figure(self, runs: Sequence[RunStyle], frames: Frames, events: Events, layer: str = "") -> go.Figure:
        return by_index(runs, frames, "variance/forward", "layer (0 is the input)", "variance")
