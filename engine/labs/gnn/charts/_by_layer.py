"""Profiles whose values may be exactly 0, which a logarithmic axis cannot show: they are marked at its lower edge."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from engine.labs.chart import Frames, RunStyle, blank
from engine.labs.common.charts._profile import odd_marks, with_zeros
from engine.labs.common.profiles import newest


def by_index(runs: Sequence[RunStyle], frames: Frames, metric: str, x_title: str, y_title: str, first: int = 0) -> go.Figure:
    """The newest values of a vector over its index, which begins at `first`."""
    figure = blank(y_title=y_title)
    for run_style in runs:
        values = newest(frames.get(run_style.run), metric)
        x = range(first, first + len(values))
        figure.add_traces(with_zeros(run_style, metric, x, values))
    odd_marks(figure)
    figure.update_layout(xaxis={"title": {"text": x_title}, "dtick": 1 if _longest(runs, frames, metric) <= 20 else None})
    return figure


def _longest(runs: Sequence[RunStyle], frames: Frames, metric: str) -> int:
    return max((len(newest(frames.get(run_style.run), metric)) for run_style in runs), default=0)
