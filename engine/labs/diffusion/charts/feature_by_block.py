"""How the features grow from the deepest decoder block to the outermost."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from engine.labs.chart import Chart, Events, Frames, RunStyle, blank
from engine.labs.common.charts._profile import odd_marks, with_zeros
from engine.labs.common.profiles import late_mean

METRIC = "feature_norm/blocks"


class FeatureByBlock(Chart):
    """Squared norm of every decoder block's output, mean over the newest quarter of the steps."""

    title = "Size of the features, block by block"
    about = (
        "The squared length of what each decoder block puts out, from the deepest on the left to the outermost on the right: "
        "without scaling every skip adds its part."
    )
    needs = (METRIC,)
    live = "redraw"
    log = True
    order = 16

    def figure(self, runs: Sequence[RunStyle], frames: Frames, events: Events, layer: str = "") -> go.Figure:
        figure = blank(y_title="squared norm")
        for run_style in runs:
            values = late_mean(frames.get(run_style.run), METRIC)
            figure.add_traces(with_zeros(run_style, METRIC, range(1, len(values) + 1), values))
        odd_marks(figure)
        figure.update_layout(xaxis={"title": {"text": "skip: 1 outermost"}, "autorange": "reversed"})
        return figure
