"""Profiles whose values may be exactly 0, which a logarithmic axis cannot show: they are marked at its lower edge."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from engine.labs.chart import Frames, RunStyle, blank
from engine.labs.common.charts._profile import film_row, odd_marks
from engine.labs.common.profiles import newest


def by_index(runs: Sequence[RunStyle], frames: Frames, metric: str, x_title: str, y_title: str, first: int = 0) -> go.Figure:
    """The newest values of a vector over its index, which begins at `first`."""
    figure = blank(y_title=y_title)
    for run_style in runs:
        values = newest(frames.get(run_style.run), metric)
        figure.add_traces(film_row(run_style, metric, values, first))
    odd_marks(figure)
    longest = max((run_style.size(metric, "") for run_style in runs), default=0)
    figure.update_layout(xaxis={"title": {"text": x_title}, "dtick": 1 if longest <= 20 else None})
    return figure
