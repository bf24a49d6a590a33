"""How many steps each run needs to reach a given loss: the "1.5 times faster" of ScaleLong, where it holds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
import polars as pl

from engine.labs.chart import Chart, Events, Frames, RunStyle, blank
from engine.labs.common.charts._profile import odd_marks, profile
from engine.labs.common.profiles import first_reached

METRIC = "loss/fixed"
LEVELS = 16


class TimeToLoss(Chart):
    """First step at which the loss on the fixed batch is at or below a level, for levels between where it began and its best."""

    title = "Steps to a given loss"
    about = (
        "How many steps a run takes until its loss on the fixed batch first falls to the level on the x axis; the quotient of two "
        "curves at one level says how many times faster one run is than the other there."
    )
    needs = (METRIC,)
    live = "redraw"
    order = 28
    group = "training"

    def figure(self, runs: Sequence[RunStyle], frames: Frames, events: Events, layer: str = "") -> go.Figure:
        figure = blank(y_title="steps")
        levels = _levels([frames[run_style.run] for run_style in runs if run_style.run in frames])
        for run_style in runs:
            reached = first_reached(frames.get(run_style.run), METRIC, levels)
            figure.add_trace(profile(run_style, METRIC, levels, reached, hovertemplate="step %{y}<extra>" + run_style.label + "</extra>"))
        odd_marks(figure)
        figure.update_layout(xaxis={"title": {"text": "loss on the fixed batch"}, "autorange": "reversed"})
        figure.update_yaxes(rangemode="tozero", selector={"overlaying": None})
        return figure


def _levels(frames: Sequence[pl.DataFrame]) -> list[float]:
    """Evenly spaced from the largest first value of a run down to the best value of any; [] while nothing finite is known."""
    values = [
        f.filter((pl.col("metric") == METRIC) & pl.col("value").is_finite()).sort("step")["value"] for f in frames if not f.is_empty()
    ]
    known = [v for v in values if len(v)]
    if not known:
        return []
    return np.linspace(max(v[0] for v in known), min(v.min() for v in known), LEVELS).round(4).tolist()
