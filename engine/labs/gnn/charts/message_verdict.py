"""Why the message does not arrive, if it does not: four numbers against their limits, and a sentence for each that is passed."""

from __future__ import annotations

import math
from collections.abc import Sequence

import plotly.graph_objects as go
import polars as pl

from engine.labs.chart import Chart, Events, Frames, RunStyle, blank
from engine.labs.common.traces import meta, points
from engine.labs.gnn._verdict import SMOOTH, SQUASHED, VANISHED, Signs, verdicts

ROWS = (
    ("jacobian/ratio", "Jacobian ratio", SQUASHED),
    ("dirichlet_energy/ratio", "energy ratio", SMOOTH),
    ("gradient/reach", "gradient reach", VANISHED),
)
LEAST = 1e-9  # of the axis; 0 stands there


class MessageVerdict(Chart):
    """Jacobian ratio, energy ratio and gradient reach at their newest reading, each against its limit."""

    title = "Does the message arrive?"
    about = (
        "Three ratios at their newest reading. Left of its limit (|) a dot is a sign of over-squashing, over-smoothing or vanishing "
        "gradients; the sentences say which of them hold."
    )
    needs = ("dirichlet_energy/ratio",)
    also = ("under_reach", "jacobian/ratio", "gradient/reach", "accuracy/validation")
    live = "redraw"
    newest = True
    order = 5

    def figure(self, runs: Sequence[RunStyle], frames: Frames, events: Events, layer: str = "") -> go.Figure:
        figure = blank(y_title="", height=260)
        names = [name for _, name, _ in ROWS]
        for run_style in runs:
            values = [_last(frames.get(run_style.run), metric) for metric, _, _ in ROWS]
            figure.add_trace(
                go.Scatter(
                    x=[LEAST if value == 0 else value if math.isfinite(value) else None for value in values],
                    y=names,
                    customdata=["not measured" if math.isnan(value) else f"{value:.3g}" for value in values],
                    mode="markers",
                    name=run_style.label,
                    marker={"size": 13, "color": run_style.colour},
                    hovertemplate="%{customdata}<extra>" + run_style.label + "</extra>",
                    meta=meta(run_style.run, "dirichlet_energy/ratio", "", "verdict"),
                )
            )
        limits = {"symbol": "line-ns-open", "size": 22, "color": "#8A8A8A", "line": {"width": 2}}
        where = [limit for _, _, limit in ROWS]
        figure.add_trace(
            go.Scatter(x=where, y=names, mode="markers", name="limit", marker=limits, hovertemplate="limit %{x:g}<extra></extra>")
        )
        axis = {"type": "log", "title": {"text": ""}, "exponentformat": "power", "dtick": 2, "range": [math.log10(LEAST) - 0.3, 2.0]}
        order = {"type": "category", "automargin": True, "categoryorder": "array", "categoryarray": names[::-1]}
        figure.update_layout(hovermode="closest", xaxis=axis, yaxis=order)
        return figure

    def sentences(self, run: RunStyle, frame: pl.DataFrame) -> list[str]:
        return [text for _, text in _verdicts(frame)]


def _verdicts(frame: pl.DataFrame) -> list[tuple[str, str]]:
    names = ("under_reach", *(metric for metric, _, _ in ROWS), "accuracy/validation")
    return verdicts(Signs(*(_last(frame, metric) for metric in names)))


def _last(frame: pl.DataFrame | None, metric: str) -> float:
    values = points(frame, metric)[1]
    return float(values[-1]) if values else math.nan
