"""Which share of the tokens each expert of one layer receives, stacked, one panel per run."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
import polars as pl
from plotly.colors import sample_colorscale

from engine.labs.chart import Chart, Events, Frames, RunStyle, blank
from engine.labs.common.traces import meta, points
from engine.labs.moe.charts._odd_routing import odd_routing, odd_steps, scores_key

ROWS = 160  # heights that a panel tells apart


class ExpertLoad(Chart):
    """Stacked expert load with the entropy of the load, where 1 is an equal share for everybody."""

    title = "Who gets the tokens"
    about = (
        "Each band is an expert, its height the share of tokens it receives; the white line is the evenness of the load: "
        "1, dashed, is perfectly even. A gap with a cross: no finite router scores."
    )
    needs = ("router/load",)
    layered = True
    order = 20

    def figure(self, runs: Sequence[RunStyle], frames: Frames, events: Events, layer: str = "") -> go.Figure:
        drawn = [run_style for run_style in runs if run_style.size("router/load", layer)] or list(runs)
        figure = blank(y_title="share of tokens", height=max(300, 170 * len(drawn)))
        for row, run_style in enumerate(drawn):
            _panel(figure, row, len(drawn), run_style, frames, layer)
        figure.update_layout(hovermode="x", showlegend=False, margin_t=22, xaxis_anchor="y" if len(drawn) == 1 else f"y{len(drawn)}")
        return figure


def _panel(figure: go.Figure, row: int, panels: int, run_style: RunStyle, frames: Frames, layer: str) -> None:
    axis = "y" if row == 0 else f"y{row + 1}"
    height = 1 / panels
    top = 1 - row * height
    domain = [top - height + (0.1 if row < panels - 1 else 0), top]
    figure.update_layout(
        {
            f"yaxis{axis[1:]}": {
                "range": [0, 1.04],
                "domain": domain,
                "fixedrange": True,
                "zeroline": False,
                "title": {"text": "share"},
                "tickvals": [0, 0.5, 1],
                "anchor": "x",
            }
        }
    )
    title = {
        "text": f"<b>{run_style.label}</b>",
        "x": 0,
        "y": domain[1],
        "xref": "paper",
        "yref": "paper",
        "yanchor": "bottom",
        "xanchor": "left",
    }
    figure.add_annotation(**title, showarrow=False)
    frame, size = frames.get(run_style.run), run_style.size("router/load", layer)
    figure.add_trace(stack(run_style, frame, layer, size, axis))
    x, y = points(frame, "router/entropy", layer)
    halo = {"x": x, "y": y, "mode": "lines", "yaxis": axis, "meta": meta(run_style.run, "router/entropy", layer, "line")}
    figure.add_trace(go.Scatter(**halo, line={"width": 4.5, "color": "#222222"}, hoverinfo="skip", name="evenness"))
    figure.add_trace(
        go.Scatter(**halo, line={"width": 2.2, "color": "#FFFFFF"}, hovertemplate="evenness %{y:.3f}<extra></extra>", name="evenness")
    )
    figure.add_trace(
        go.Scatter(
            x=[],
            y=[],
            mode="markers",
            marker={"opacity": 0},
            yaxis=axis,
            name="busiest",
            hovertemplate="%{customdata}<extra></extra>",
            meta=meta(run_style.run, "router/load", layer, "busiest", noun="expert", scores=scores_key(layer)),
        )
    )
    figure.add_traces(odd_routing(run_style, frames, layer, axis, 0.5, "no expert was chosen there, and no band is drawn"))
    figure.add_shape(type="line", xref="paper", x0=0, x1=1, yref=axis, y0=1, y1=1, line={"dash": "dash", "width": 1.2, "color": "#8A8A8A"})


def stack(run_style: RunStyle, frame: pl.DataFrame | None, layer: str, size: int, axis: str) -> go.Heatmap:
    """The bands as a picture: each column is a step, each cell says which expert owns that height.

    As areas, 64 experts cost half a second per redraw; as a picture they cost a tenth of that.
    """
    mine = None if frame is None or frame.is_empty() else frame.filter((pl.col("metric") == "router/load") & (pl.col("layer") == layer))
    steps, cells = [], np.zeros((ROWS, 0))
    if mine is not None and not mine.is_empty():
        table = mine.sort("step", "index").pivot("index", index="step", values="value", aggregate_function="first")
        steps = table["step"].to_list()
        loads = table.drop("step").to_numpy()
        odd = set(odd_steps(frame, layer, dict(zip(steps, loads.tolist(), strict=True))))
        cells = owners(np.where([[step in odd] for step in steps], np.nan, loads))
    scale = [[edge, _colour(expert, size)] for expert in range(size) for edge in (expert / size, (expert + 1) / size)]
    return go.Heatmap(
        x=steps,
        y=[(row + 0.5) / ROWS for row in range(ROWS)],
        z=[[None if np.isnan(cell) else int(cell) for cell in row] for row in cells],
        zmin=-0.5,
        zmax=max(1, size) - 0.5,
        colorscale=scale or None,
        showscale=False,
        hoverinfo="skip",
        yaxis=axis,
        name="load",
        meta=meta(run_style.run, "router/load", layer, "stack", rows=ROWS, scores=scores_key(layer)),
    )


def owners(load_SE: np.ndarray) -> np.ndarray:
    """-> (ROWS, S): which of E experts owns each height in each of S steps; nan where one band meets the next, and in the whole of a
    step whose load is not finite."""
    finite_S = np.isfinite(load_SE).all(axis=1)
    load_SE = np.where(finite_S[:, None], load_SE, 0.0)
    total_S1 = load_SE.sum(axis=1, keepdims=True)
    tops_SE = np.cumsum(load_SE / np.where(total_S1 > 0, total_S1, 1.0), axis=1)
    heights_R = (np.arange(ROWS) + 0.5) / ROWS
    owner_RS = (heights_R[:, None, None] > tops_SE[None]).sum(axis=2).clip(max=load_SE.shape[1] - 1).astype(float)
    thick_SE = np.diff(tops_SE, axis=1, prepend=0.0) > 8 / ROWS  # a thin band gets no edge, or the edge would be all of it
    edge_RS = np.zeros_like(owner_RS, dtype=bool)
    edge_RS[1:] = owner_RS[1:] != owner_RS[:-1]
    thick_RS = np.take_along_axis(thick_SE.T, owner_RS.astype(int), axis=0)
    return np.where((edge_RS & thick_RS) | ~finite_S, np.nan, owner_RS)


def _colour(expert: int, experts: int) -> str:
    """Neighbours differ: the scale is walked in two interleaved halves."""
    half = (experts + 1) // 2
    rank = expert // 2 + (expert % 2) * half
    return str(sample_colorscale("Viridis", [0.06 + 0.9 * rank / max(1, experts - 1)])[0])
