"""How sure the router of one layer is."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from engine.labs.chart import Chart, Events, Frames, RunStyle, blank
from engine.labs.common.traces import line, marks


class RouterCertainty(Chart):
    """Mean entropy of a token's choice, and the median margin between the best and the second expert."""

    title = "How sure the router is"
    about = (
        "The entropy of the router's opinion on one byte (thick; 1 means no opinion) and the median margin by which the best "
        "expert beats the second (thin)."
    )
    needs = ("router/token_entropy",)
    layered = True
    order = 53

    def figure(self, runs: Sequence[RunStyle], frames: Frames, events: Events, layer: str = "") -> go.Figure:
        figure = blank(y_title="entropy, and margin")
        for run_style in runs:
            figure.add_traces(line(run_style, frames, "router/token_entropy", layer, name="entropy", width=2, smooth=False))
            figure.add_traces(line(run_style, frames, "router/margin", layer, name="margin", width=0.8, smooth=False))
        marks(figure, runs, frames, events)
        figure.update_yaxes(rangemode="tozero", selector={"overlaying": None})
        return figure
