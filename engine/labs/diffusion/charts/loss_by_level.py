"""How well each level of noise is removed."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from engine.labs.chart import Chart, Events, Frames, RunStyle, blank
from engine.labs.common.charts._profile import odd_marks, profile
from engine.labs.common.profiles import newest


class LossByLevel(Chart):
    """Loss on the fixed batch in eight bins of noise, with the standard error over the pictures of each bin."""

    title = "Loss by noise level"
    about = (
        "The loss for each eighth of the trained noise levels, least noise on the left, at the newest reading; the bars are "
        "its standard error over the few pictures of the bin."
    )
    needs = ("loss_by_level", "loss_by_level/error")
    live = "redraw"
    newest = True
    order = 24
    group = "training"

    def figure(self, runs: Sequence[RunStyle], frames: Frames, events: Events, layer: str = "") -> go.Figure:
        figure = blank(y_title="loss")
        for run_style in runs:
            values, errors = (newest(frames.get(run_style.run), name) for name in self.needs)
            bars = {"type": "data", "array": errors, "thickness": 1, "width": 3}
            figure.add_trace(profile(run_style, "loss_by_level", range(1, len(values) + 1), values, error_y=bars))
        odd_marks(figure)
        figure.update_layout(xaxis={"title": {"text": "eighth of the noise levels, least noise first"}, "dtick": 1})
        figure.update_yaxes(rangemode="tozero", selector={"overlaying": None})
        return figure
