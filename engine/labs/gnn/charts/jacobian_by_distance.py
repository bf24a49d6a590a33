"""How far a node can see."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from engine.labs.chart import Chart, Events, Frames, RunStyle
from engine.labs.gnn.charts._by_layer import by_index


class JacobianByDistance(Chart):
    """Mean dependence of the read node on the features of nodes, by their distance, at the newest reading."""

    title = "How far the read node sees"
    about = (
        "Dependence of the read node on the features of others, by distance in edges before any rewiring, at the newest reading; ▼ means "
        "exactly 0: no message arrives at all."
    )
    needs = ("jacobian/by_distance",)
    log = True
    live = "redraw"
    newest = True
    order = 20

    def figure(self, runs: Sequence[RunStyle], frames: Frames, events: Events, layer: str = "") -> go.Figure:
        return by_index(runs, frames, "jacobian/by_distance", "distance in edges", "Jacobian norm")
