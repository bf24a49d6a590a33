"""How far a node can see."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from engine.labs.chart import Chart, Events, Frames, RunStyle
from engine.labs.common.profiles import newest
from engine.labs.common.traces import meta
from engine.labs.gnn.charts._by_layer import by_index

JACOBIAN, WALKS = "jacobian/by_distance", "theory/by_distance"


class JacobianByDistance(Chart):
    """Mean dependence of the read node on the features of nodes, by their distance, at the newest reading; dotted the weight of walks of as
    many steps as the network has layers, scaled to meet the measured curve at distance 0."""

    title = "How far the read node sees"
    about = (
        "Dependence of the read node on the features of others, by distance before any rewiring; ▼: exactly 0, no message arrives. "
        "Dotted: what walks alone would carry, scaled to meet at 0."
    )
    needs = (JACOBIAN,)
    also = (WALKS,)
    log = True
    live = "redraw"
    newest = True
    order = 20

    def figure(self, runs: Sequence[RunStyle], frames: Frames, events: Events, layer: str = "") -> go.Figure:
        figure = by_index(runs, frames, JACOBIAN, "distance in edges", "Jacobian norm")
        for run_style in runs:
            figure.add_trace(_theory(run_style, frames))
        return figure


def _theory(run_style: RunStyle, frames: Frames) -> go.Scatter:
    measured, walks = (newest(frames.get(run_style.run), metric) for metric in (JACOBIAN, WALKS))
    scale = measured[0] / walks[0] if measured and walks and walks[0] > 0 and 0 < measured[0] < float("inf") else None
    return go.Scatter(
        x=list(range(len(walks))) if scale else [],
        y=[scale * value if value > 0 else None for value in walks] if scale else [],
        mode="lines",
        name=f"{run_style.label} · walks",
        line={"color": run_style.colour, "width": 1.2, "dash": "dot"},
        hovertemplate="walks alone, scaled: %{y:.3~g}<extra>" + run_style.label + "</extra>",
        meta=meta(run_style.run, WALKS, "", "theory"),
    )
