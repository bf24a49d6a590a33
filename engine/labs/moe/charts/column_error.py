"""How fast Sinkhorn's iterations even out the experts of one batch."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from engine.labs.chart import Chart, Events, Frames, RunStyle, blank
from engine.labs.common.charts._profile import odd_marks, profile
from engine.labs.common.profiles import newest

METRIC = "router/column_error"
ROUNDING = 3e-8  # half a step of fp32 at 1: a logarithmic axis has no place for 0


class ColumnError(Chart):
    """Largest relative error of an expert's soft share over the iterations, at the newest reading."""

    title = "Balancing a batch, iteration by iteration"
    about = (
        "How far the expert with the worst soft share is from an equal one, before each of Sinkhorn's iterations on the newest batch read."
    )
    needs = (METRIC,)
    layered = True
    log = True
    live = "redraw"
    newest = True
    order = 52

    def figure(self, runs: Sequence[RunStyle], frames: Frames, events: Events, layer: str = "") -> go.Figure:
        figure = blank(y_title="relative error")
        for run_style in runs:
            drawn = [ROUNDING if error == 0 else error for error in newest(frames.get(run_style.run), METRIC, layer)]
            figure.add_trace(profile(run_style, METRIC, range(1, len(drawn) + 1), drawn))
        odd_marks(figure)
        figure.update_layout(xaxis={"title": {"text": "iteration"}})
        return figure
