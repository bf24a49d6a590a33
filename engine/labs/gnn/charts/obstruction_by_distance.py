"""How much stands between the read node and others."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from engine.labs.chart import Chart, Events, Frames, RunStyle
from engine.labs.gnn.charts._by_layer import by_index


class ObstructionByDistance(Chart):
    """Symmetric obstruction between the read node and one node at each distance, at the newest reading."""

    title = "Obstruction by distance"
    about = (
        "Symmetric obstruction between the read node and one node at each distance in edges before any rewiring, at the newest reading: "
        "how much less the two hear of each other than of themselves."
    )
    needs = ("obstruction/by_distance",)
    log = True
    live = "moment"
    order = 21

    def figure(self, runs: Sequence[RunStyle], frames: Frames, events: Events, layer: str = "") -> go.Figure:
        return by_index(runs, frames, "obstruction/by_distance", "distance in edges", "obstruction", first=1)
