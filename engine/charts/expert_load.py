"""Which share of the tokens each expert of one layer receives, stacked, one panel per run."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go
from plotly.colors import sample_colorscale

from engine.chart import Chart, Events, Frames, RunLook, blank
from engine.traces import meta, points


class ExpertLoad(Chart):
    """Stacked expert load with the entropy of the load, where 1 is an equal share for everybody."""

    title = "Who gets the tokens"
    about = (
        "Each band is one expert and its height the share of tokens it receives; the white line is the evenness of the "
        "load (its entropy over the entropy of equal shares), so 1, the dashed line, is perfectly even."
    )
    needs = ("router/load",)
    layered = True
    place = 30

    def figure(self, runs: Sequence[RunLook], frames: Frames, events: Events, layer: str = "") -> go.Figure:
        drawn = [look for look in runs if look.size("router/load", layer)] or list(runs)
        figure = blank(y_title="share of tokens", height=max(280, 190 * len(drawn)))
        for place, look in enumerate(drawn):
            _panel(figure, place, len(drawn), look, frames, layer)
        figure.update_layout(hovermode="x", showlegend=False, margin_t=22, xaxis_anchor="y" if len(drawn) == 1 else f"y{len(drawn)}")
        return figure


def _panel(figure: go.Figure, place: int, panels: int, look: RunLook, frames: Frames, layer: str) -> None:
    axis = "y" if place == 0 else f"y{place + 1}"
    height = 1 / panels
    top = 1 - place * height
    domain = [top - height + (0.1 if place < panels - 1 else 0), top]
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
        "text": f"<b>{look.label}</b>",
        "x": 0,
        "y": domain[1],
        "xref": "paper",
        "yref": "paper",
        "yanchor": "bottom",
        "xanchor": "left",
    }
    figure.add_annotation(**title, showarrow=False)
    frame, size = frames.get(look.run), look.size("router/load", layer)
    for expert in range(size):
        x, y = points(frame, "router/load", layer, expert)
        figure.add_trace(
            go.Scatter(
                x=x,
                y=y,
                name=f"expert {expert}",
                mode="lines",
                line={"width": 0.4, "color": "rgba(255,255,255,0.55)"},
                fillcolor=_colour(expert, size),
                stackgroup=f"load {look.run}",
                yaxis=axis,
                hoverinfo="skip",
                meta=meta(look.run, "router/load", layer, "share", expert),
            )
        )
    x, y = points(frame, "router/entropy", layer)
    halo = {"x": x, "y": y, "mode": "lines", "yaxis": axis, "meta": meta(look.run, "router/entropy", layer, "line")}
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
            meta=meta(look.run, "router/load", layer, "busiest", noun="expert"),
        )
    )
    figure.add_shape(type="line", xref="paper", x0=0, x1=1, yref=axis, y0=1, y1=1, line={"dash": "dash", "width": 1.2, "color": "#8A8A8A"})


def _colour(expert: int, experts: int) -> str:
    """Neighbours differ: the scale is walked in two interleaved halves."""
    half = (experts + 1) // 2
    rank = expert // 2 + (expert % 2) * half
    return str(sample_colorscale("Viridis", [0.06 + 0.9 * rank / max(1, experts - 1)])[0])
