"""Why the message does not arrive, if it does not: four numbers against their limits, and a sentence for each that is passed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import fields

import plotly.graph_objects as go
import polars as pl

from engine.core import nonfinite
from engine.labs.chart import Chart, Events, Frames, RunStyle, blank
from engine.labs.common.traces import SHOWN, meta, points
from engine.labs.gnn._verdict import SMOOTH, SQUASHED, VANISHED, Signs, verdicts

ROWS = (
    ("jacobian/ratio", "Jacobian ratio", SQUASHED),
    ("dirichlet_energy/ratio", "energy ratio", SMOOTH),
    ("gradient/reach", "gradient reach", VANISHED),
)
SIGNS = {
    "under_reach": "under_reach",
    "ratio": "jacobian/ratio",
    "energy": "dirichlet_energy/ratio",
    "reach": "gradient/reach",
    "accuracy": "accuracy/validation",
    "chance": "accuracy/chance",
    "layers": "graph/layers",
    "distance": "graph/distance",
    "rmse": "rmse/validation",
}  # which metric each sign is read from
LEAST, MOST = 1e-9, 1e2  # of the axis; what lies beyond stands at the edge as a triangle
NAN_AT = 5e2  # right of the right edge


class MessageVerdict(Chart):
    """Jacobian ratio, energy ratio and gradient reach at their newest reading, each against its limit."""

    title = "Does the message arrive?"
    about = (
        "Three ratios at their newest reading. Left of its limit (|) a dot is a sign of the failure that the sentences name; "
        "a triangle at an edge is a value beyond it, a cross NaN."
    )
    needs = ("dirichlet_energy/ratio",)
    also = tuple(metric for metric in SIGNS.values() if metric != "dirichlet_energy/ratio")
    live = "redraw"
    newest = True
    order = 5

    def figure(self, runs: Sequence[RunStyle], frames: Frames, events: Events, layer: str = "") -> go.Figure:
        figure = blank(y_title="", height=260)
        names = [name for _, name, _ in ROWS]
        for run_style in runs:
            values = [_newest(frames.get(run_style.run), metric) for metric, _, _ in ROWS]
            places = [_mark(value) for value in values]
            figure.add_trace(
                go.Scatter(
                    x=[x for x, _ in places],
                    y=names,
                    customdata=["not measured" if value is None else _said(value) for value in values],
                    mode="markers",
                    name=run_style.label,
                    marker={"size": 13, "color": run_style.colour, "symbol": [symbol for _, symbol in places]},
                    hovertemplate="%{customdata}<extra>" + run_style.label + "</extra>",
                    meta=meta(run_style.run, "dirichlet_energy/ratio", "", "verdict"),
                )
            )
        limits = {"symbol": "line-ns-open", "size": 22, "color": "#8A8A8A", "line": {"width": 2}}
        where = [limit for _, _, limit in ROWS]
        figure.add_trace(
            go.Scatter(x=where, y=names, mode="markers", name="limit", marker=limits, hovertemplate="limit %{x:g}<extra></extra>")
        )
        axis = {"type": "log", "title": {"text": ""}, "exponentformat": "power", "dtick": 2, "range": [math.log10(LEAST) - 0.3, 3.0]}
        order = {"type": "category", "automargin": True, "categoryorder": "array", "categoryarray": names[::-1]}
        figure.update_layout(hovermode="closest", xaxis=axis, yaxis=order)
        return figure

    def sentences(self, run: RunStyle, frame: pl.DataFrame) -> list[str]:
        signs = Signs(**{sign.name: _newest(frame, SIGNS[sign.name]) for sign in fields(Signs) if sign.name in SIGNS})
        return [text for _, text in verdicts(signs)]


def _mark(value: float | None) -> tuple[float | None, str]:
    """-> (where on the axis, symbol of the mark); None for what was not measured."""
    if value is None:
        return None, "circle"
    if math.isnan(value):
        return NAN_AT, "x"
    return min(max(value, LEAST), MOST), "triangle-left" if value < LEAST else "triangle-right" if value > MOST else "circle"


def _said(value: float) -> str:
    return SHOWN.get(nonfinite.word(value)) or f"{value:.3g}"


def _newest(frame: pl.DataFrame | None, metric: str) -> float | None:
    """None where nothing was measured; NaN is a measurement."""
    values = points(frame, metric)[1]
    return float(values[-1]) if values else None
