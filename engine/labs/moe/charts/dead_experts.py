"""How many experts of one layer get next to nothing to do."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from engine.labs.chart import Chart, Events, Frames, RunStyle, blank
from engine.labs.common.traces import EDGES, OVERLAY, level, line, marks
from engine.labs.moe.charts._odd_routing import odd_routing


class DeadExperts(Chart):
    """Experts whose average load is under a tenth of an equal share."""

    title = "Dead experts"
    about = (
        "Experts that receive less than a tenth of an equal share of the tokens, on a running average; "
        "an untrained router already leaves a few idle."
    )
    needs = ("router/dead_experts",)
    layered = True
    order = 30

    def figure(self, runs: Sequence[RunStyle], frames: Frames, events: Events, layer: str = "") -> go.Figure:
        figure = blank(y_title="dead experts")
        for run_style in runs:
            figure.add_traces(line(run_style, frames, "router/dead_experts", layer, width=2, line_shape="hv", smooth=False))
        experts = max((run_style.size("router/load", layer) for run_style in runs), default=0)
        if experts:
            figure.add_trace(level(experts, f"all {experts} experts"))
        figure.update_yaxes(rangemode="tozero", selector={"overlaying": None})
        marks(figure, runs, frames, events)
        for run_style in runs:
            message = "a count of dead experts there says nothing about the routing"
            figure.add_traces(odd_routing(run_style, frames, layer, OVERLAY, next(iter(EDGES.values())), message))
        return figure
