"""Steps at which a router had no finite scores: it still names experts there, but that is no choice, and no chart draws it as one.

A trace of kind `odd_routing` is filled by the page from the series of the scores (pages/parts/charts/live_fill.js).
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import plotly.graph_objects as go
import polars as pl

from engine.labs.chart import Frames, RunStyle
from engine.labs.common.traces import meta, points
from engine.runs.series import series_key

SCORES = "router/logit_max"


def scores_key(layer: str) -> str:
    """The key of the series that is not finite where the scores of the layer are not."""
    return series_key(SCORES, layer)


def odd_steps(frame: pl.DataFrame | None, layer: str, load_of: Mapping[int, list[float]]) -> list[int]:
    """Steps of `load_of` (step -> shares) whose shares are not finite, or whose newest reading of the scores is not."""
    readings = list(zip(*points(frame, SCORES, layer), strict=True))
    out, newest, at = [], 0.0, 0
    for step in sorted(load_of):
        while at < len(readings) and readings[at][0] <= step:
            newest, at = readings[at][1], at + 1
        if not math.isfinite(newest) or not all(math.isfinite(share) for share in load_of[step]):
            out.append(step)
    return out


def odd_routing(run_style: RunStyle, frames: Frames, layer: str, axis: str, height: float, message: str) -> list[go.Scatter]:
    """A cross at every step without finite scores, and `message` in the note of the chart; [] for a router that has no scores."""
    if not run_style.has(SCORES):
        return []
    odd = [step for step, value in zip(*points(frames.get(run_style.run), SCORES, layer), strict=True) if not math.isfinite(value)]
    return [
        go.Scatter(
            x=odd,
            y=[height] * len(odd),
            mode="markers+text",
            textposition="top right",
            marker={"symbol": "x", "size": 9, "color": run_style.colour, "line": {"width": 0}},
            yaxis=axis,
            cliponaxis=False,
            name="scores not finite",
            customdata=[f"{run_style.label}, step {step}: no finite scores" for step in odd],
            hovertemplate="%{customdata}<extra></extra>",
            showlegend=False,
            meta=meta(run_style.run, SCORES, layer, "odd_routing", height=height, label=run_style.label, message=message),
        )
    ]
