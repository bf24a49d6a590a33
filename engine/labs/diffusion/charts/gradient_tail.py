"""How much larger the largest gradients are than the usual ones."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from engine.labs.chart import Chart, Events, Frames, RunStyle, blank
from engine.labs.common.traces import line, marks


class GradientTail(Chart):
    """99th percentile of the gradient norm over its median, and the median itself."""

    title = "Spikes or drift?"
    about = (
        "The largest gradients over the usual one (99th percentile over median of 200 steps, thick) and the usual one itself "
        "(thin): spikes raise the first, a drift without spikes only the second."
    )
    needs = ("gradient_tail/p99_over_median", "gradient_tail/median")
    log = True
    order = 44
    group = "training"

    def figure(self, runs: Sequence[RunStyle], frames: Frames, events: Events, layer: str = "") -> go.Figure:
        figure = blank(y_title="ratio, and norm")
        for run_style in runs:
            figure.add_traces(line(run_style, frames, "gradient_tail/p99_over_median", name="p99 / median", width=2, smooth=False))
            figure.add_traces(line(run_style, frames, "gradient_tail/median", name="median", width=0.8, smooth=False))
        marks(figure, runs, frames, events)
        return figure
