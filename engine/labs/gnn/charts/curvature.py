"""How the edges are curved: where a graph has bottlenecks."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from engine.labs.chart import Chart, Events, Frames, RunStyle, blank
from engine.labs.common.profiles import newest
from engine.labs.common.traces import meta

METRIC = "curvature/balanced_forman"


class Curvature(Chart):
    """Histogram of the balanced Forman curvature of all edges that the layers see."""

    title = "Curvature of the edges"
    about = (
        "Balanced Forman curvature of every edge that the layers see: below 0 where the ends hardly share neighbours, as in bridges, "
        "above 0 inside of cliques."
    )
    needs = (METRIC,)
    live = "redraw"
    newest = True
    order = 32

    def figure(self, runs: Sequence[RunStyle], frames: Frames, events: Events, layer: str = "") -> go.Figure:
        figure = blank(y_title="edges")
        for run_style in runs:
            figure.add_trace(
                go.Histogram(
                    x=newest(frames.get(run_style.run), METRIC),
                    xbins={"start": -2.05, "end": 2.06, "size": 0.1},  # 0 and other round values stand in the middle of a bar
                    name=run_style.label,
                    marker={"color": run_style.colour},
                    hovertemplate="curvature %{x}: %{y} edges<extra>" + run_style.label + "</extra>",
                    meta=meta(run_style.run, METRIC, "", "histogram"),
                )
            )
        axis = {"title": {"text": "balanced Forman curvature"}, "range": [-2.1, 2.1]}  # by its definition it is never outside
        figure.update_layout(barmode="group", bargap=0.05, hovermode="closest", xaxis=axis)
        return figure
