"""How far the positional encoding moves with the Laplacian, against the gap between eigenvalues."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go
import polars as pl

from engine.labs.chart import Chart, Events, Frames, RunStyle, blank
from engine.labs.common.charts._profile import odd_marks, profile
from engine.labs.common.profiles import newest
from engine.labs.common.traces import OVERLAY, meta, points

CHANGE, GAP = "positional_encoding/change", "positional_encoding/gap"
CHANGES, GAPS = "positional_encoding/changes", "positional_encoding/gaps"
CLOSED = 1e-12  # a smaller gap is rounding


class EncodingChange(Chart):
    """Relative change of the encoding for the same small noise in the Laplacian, at the newest reading."""

    title = "Change of the encoding against the eigengap"
    about = (
        "How far the encoding moves, in parts of its size, when noise of 0.001 moves the Laplacian, against the smallest gap between the "
        "eigenvalues it takes; ★ is the run's own graph."
    )
    needs = (CHANGE, GAP, CHANGES, GAPS)
    log = True
    live = "redraw"
    newest = True
    order = 19

    def figure(self, runs: Sequence[RunStyle], frames: Frames, events: Events, layer: str = "") -> go.Figure:
        figure = blank(y_title="change of the encoding")
        for run_style in runs:
            pairs = _pairs(frames.get(run_style.run))
            order = sorted(range(len(pairs)), key=lambda i: pairs[i][0])
            x = [max(pairs[i][0], CLOSED) for i in order]
            y = [pairs[i][1] for i in order]
            marker = {"symbol": ["star" if i == 0 else "circle" for i in order], "size": [14 if i == 0 else 7 for i in order]}
            texts = [f"gap {pairs[i][0]:.2g}" for i in order]
            drawn = profile(run_style, CHANGES, x, [None if value == 0 else value for value in y], marker=marker, text=texts)
            drawn.hovertemplate = "%{text}: moves by %{y:.3~g} of its size<extra>" + run_style.label + "</extra>"
            figure.add_trace(drawn)
            zero = [gap for gap, value in zip(x, y, strict=True) if value == 0]
            figure.add_trace(
                go.Scatter(
                    x=zero,
                    y=[0.03] * len(zero),
                    mode="markers",
                    name=f"{run_style.label} · exactly 0",
                    yaxis=OVERLAY,
                    marker={"symbol": "triangle-down", "size": 10, "color": run_style.colour},
                    showlegend=bool(zero),
                    hovertemplate="exactly 0<extra>" + run_style.label + "</extra>",
                    meta=meta(run_style.run, CHANGES, "", "zero"),
                )
            )
        odd_marks(figure)
        axis = {"title": {"text": "smallest gap of the eigenvalues taken"}, "type": "log", "exponentformat": "power"}
        figure.update_layout(hovermode="closest", xaxis=axis)
        return figure

    def sentences(self, run: RunStyle, frame: pl.DataFrame) -> list[str]:
        pairs = _pairs(frame)
        if not pairs:
            return []
        gap, change = pairs[0]
        named = f"a gap of {gap:.2g}" if gap >= CLOSED else "no gap"
        return [f"On its own graph, with {named}, the encoding moves by {change:.3g} of its size for noise of 0.001."]

    def table(self, run: RunStyle, frame: pl.DataFrame, layer: str = "") -> pl.DataFrame | None:
        pairs = _pairs(frame)
        return pl.DataFrame(pairs, schema={"smallest gap": float, "change of the encoding": float}, orient="row") if pairs else None


def _pairs(frame: pl.DataFrame | None) -> list[tuple[float, float]]:
    """(gap, change): of the run's own graph first, then of the others."""
    own = list(zip(points(frame, GAP)[1][-1:], points(frame, CHANGE)[1][-1:], strict=False))
    return [*own, *zip(newest(frame, GAPS), newest(frame, CHANGES), strict=False)]
