"""Profiles whose values may be exactly 0, which a logarithmic axis cannot show: they are marked at its lower edge."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from engine.labs.chart import Frames, RunStyle, blank
from engine.labs.common.charts._profile import odd_marks, profile
from engine.labs.common.profiles import newest
from engine.labs.common.traces import OVERLAY, meta


def by_index(runs: Sequence[RunStyle], frames: Frames, metric: str, x_title: str, y_title: str, first: int = 0) -> go.Figure:
    """The newest values of a vector over its index, which begins at `first`."""
    figure = blank(y_title=y_title)
    for run_style in runs:
        values = newest(frames.get(run_style.run), metric)
        x = range(first, first + len(values))
        figure.add_trace(profile(run_style, metric, x, [None if value == 0 else value for value in values]))
        at = [i for i, value in zip(x, values, strict=True) if value == 0]
        figure.add_trace(
            go.Scatter(
                x=at,
                y=[0.03] * len(at),
                mode="markers",
                name=f"{run_style.label} · exactly 0",
                yaxis=OVERLAY,
                marker={"symbol": "triangle-down", "size": 10, "color": run_style.colour},
                showlegend=bool(at),
                hovertemplate="exactly 0<extra>" + run_style.label + "</extra>",
                meta=meta(run_style.run, metric, "", "zero"),
            )
        )
    odd_marks(figure)
    figure.update_layout(xaxis={"title": {"text": x_title}, "dtick": 1 if _longest(runs, frames, metric) <= 20 else None})
    return figure


def _longest(runs: Sequence[RunStyle], frames: Frames, metric: str) -> int:
    return max((len(newest(frames.get(run_style.run), metric)) for run_style in runs), default=0)
