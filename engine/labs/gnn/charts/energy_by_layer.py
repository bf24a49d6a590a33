"""How alike the nodes become, layer by layer."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from engine.labs.chart import Chart, Events, Frames, RunStyle
from engine.labs.gnn.charts._by_layer import by_index


class EnergyByLayer(Chart):
    """Normalised Dirichlet energy of the states of each layer, at the newest reading."""

    title = "Smoothing, layer by layer"
    about = "Dirichlet energy of the states over their size, by layer, at the newest reading: near 0 neighbours say the same."
    needs = ("dirichlet_energy",)
    log = True
    live = "moment"
    order = 24

    def figure(self, runs: Sequence[RunStyle], frames: Frames, events: Events, layer: str = "") -> go.Figure:
        return by_index(runs, frames, "dirichlet_energy", "layer (0 is the input)", "Dirichlet energy")
