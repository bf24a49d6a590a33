"""Figure 4 of sCM, live: the two parts of the network's derivative against the noise."""

from __future__ import annotations

import math
from collections.abc import Sequence

import plotly.graph_objects as go

from engine.labs.chart import Chart, Events, Frames, RunStyle, blank
from engine.labs.common.profiles import latest
from engine.labs.common.traces import meta

PARTS = {"derivative/time_by_noise": ("∂F/∂t", 2.2, "circle"), "derivative/space_by_noise": ("∇F·dx", 1.0, "circle-open")}


class DerivativeNorms(Chart):
    """Lengths of the derivative in time and in space at 24 shares of noise, at the latest reading."""

    title = "Where the instability lives"
    about = (
        "Length of the network's derivative at the latest reading, from the data (0) to pure noise (1): the part in time "
        "(filled) and the part in space (open), which is benign."
    )
    needs = ("derivative/time_by_noise", "derivative/space_by_noise")
    live = "redraw"
    order = 25

    def figure(self, runs: Sequence[RunStyle], frames: Frames, events: Events, layer: str = "") -> go.Figure:
        figure = blank(y_title="length of the derivative")
        for run_style in runs:
            for metric, (name, width, symbol) in PARTS.items():
                step, values = latest(frames.get(run_style.run), metric)
                figure.add_trace(
                    go.Scatter(
                        x=[(i + 0.5) / len(values) for i in range(len(values))],
                        y=[v if math.isfinite(v) else None for v in values],
                        name=f"{run_style.label} · {name}",
                        mode="lines+markers",
                        line={"color": run_style.colour, "width": width, "dash": run_style.dash},
                        marker={"symbol": symbol, "size": 6, "color": run_style.colour},
                        hovertemplate=f"%{{y:.3~g}}<extra>{run_style.label} · {name}, step {step}</extra>",
                        meta=meta(run_style.run, metric, layer, "redraw"),
                    )
                )
        figure.update_xaxes(title={"text": "share of noise"}, range=[0, 1])
        figure.update_yaxes(type="log", exponentformat="power", minorloglabels="none")  # always: the parts differ by powers of ten
        return figure
