"""Profiles over the elements of a vector, for charts that are redrawn; what is not finite is marked at the edge, never hidden."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from engine.core import nonfinite
from engine.labs.chart import RunStyle
from engine.labs.common.traces import EDGES, FLOOR, NEUTRAL, OVERLAY, SHOWN, SYMBOLS, meta


def profile(
    run_style: RunStyle, metric: str, x: Sequence[float], y: Sequence[float | None], name: str = "", *, of: str = "profile", **style: Any
) -> go.Scatter:
    """One curve of one run; its raw values stay in `customdata` for `odd_marks`.  `of`: the kind of trace."""
    label = f"{run_style.label} · {name}" if name else run_style.label
    drawn = go.Scatter(
        x=list(x),
        y=[v if v is not None and math.isfinite(v) else None for v in y],
        customdata=[nonfinite.word(v) for v in y],
        name=label,
        mode="lines+markers",
        line={"color": run_style.colour, "width": 1.6, "dash": run_style.dash},
        hovertemplate="%{y:.4~g}<extra>" + label + "</extra>",
        meta=meta(run_style.run, metric, "", of),
    )
    drawn.update(style)
    return drawn


def film_row(run_style: RunStyle, metric: str, y: Sequence[float], first: int) -> list[go.Scatter]:
    """A whole vector over its index, which begins at `first`, at one step: the browser fills it (pages/parts/charts/live_rows.js)."""
    drawn = with_zeros(run_style, metric, range(first, first + len(y)), y, of="row")
    for trace in drawn:
        trace.meta |= {"first": first, "zeros": True, "height": FLOOR}
    return drawn


def with_zeros(run_style: RunStyle, metric: str, x: Sequence[float], y: Sequence[float], of: str = "profile") -> list[go.Scatter]:
    """One curve of one run, and marks at the lower edge where it is exactly 0, which a logarithmic axis cannot show."""
    at = [i for i, value in zip(x, y, strict=True) if value == 0]
    zeros = go.Scatter(
        x=at,
        y=[FLOOR] * len(at),
        mode="markers",
        name=f"{run_style.label} · exactly 0",
        yaxis=OVERLAY,
        marker={"symbol": "triangle-down", "size": 10, "color": run_style.colour},
        showlegend=bool(at),
        hovertemplate="exactly 0<extra>" + run_style.label + "</extra>",
        meta=meta(run_style.run, metric, "", "zero"),
    )
    return [profile(run_style, metric, x, [None if value == 0 else value for value in y], of=of), zeros]


def odd_marks(figure: go.Figure) -> None:
    """NaN and infinities of every profile, at the edge of the panel."""
    figure.update_layout(yaxis9={"overlaying": "y", "range": [0, 1], "fixedrange": True, "visible": False, "tickmode": "auto"})
    curves: list[Mapping[str, Any]] = [t for t in figure.data if (t.meta or {}).get("kind") in ("profile", "row")]
    for word, shown in SHOWN.items():
        found = [(x, t.line.color, t.name) for t in curves for x, w in zip(t.x or (), t.customdata or (), strict=True) if w == word]
        figure.add_trace(
            go.Scatter(
                x=[x for x, _, _ in found],
                y=[EDGES[word]] * len(found),
                customdata=[name for _, _, name in found],
                name=shown,
                mode="markers",
                yaxis=OVERLAY,
                marker={"symbol": SYMBOLS[word], "size": 10, "color": [c for _, c, _ in found] or NEUTRAL},
                cliponaxis=False,
                showlegend=bool(found),
                hovertemplate=f"{shown}: %{{customdata}}<extra></extra>",
                meta=meta("", "", "", "odd", value=word, height=EDGES[word]),
            )
        )
