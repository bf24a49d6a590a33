"""The traces that charts are made of, each marked with `meta` so that the page can fill it with live points.

    meta = {"run", "metric", "layer", "key", "index", "kind", …}
    kind   line       one scalar series, broken where a value is not finite
           smooth     its running average, drawn when the page's smoothing is above 0
           stack      all elements of a vector series, stacked, as a picture of `rows` heights
           busiest    invisible: says in the hover box which elements of a vector are largest
           nonfinite  marks at the edge of the panel, one trace for each of NaN, +Inf and -Inf
           floor      points at or below 0, which a logarithmic axis cannot place, marked at its floor
           spike      open diamonds at the raw height of every spike event
           events     one mark per event in a lane named after its rule

`nonfinite`, `floor` and `spike` gather from every line of the figure.  Marks at the edge
live on a hidden axis from 0 to 1 laid over the panel, so that no infinity ever stretches an axis.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go
import polars as pl

from engine.core import nonfinite
from engine.core.nonfinite import WORDS
from engine.labs.chart import Events, Frames, RunStyle
from engine.runs.series import series_key

NEUTRAL = "#8A8A8A"  # readable on white and on near-black
SHOWN = dict(zip(WORDS, ("NaN", "+Inf", "−Inf"), strict=True))
SYMBOLS = dict(zip(WORDS, ("x", "triangle-up", "triangle-down"), strict=True))
EDGES = dict(zip(WORDS, (0.89, 0.97, 0.04), strict=True))  # rows of their own: both often come together
FLOOR = 0.04
DOT = 6  # pixels across, as in pages/parts/charts/live_fill.js
OVERLAY = "y9"


def meta(run: str, metric: str, layer: str, kind: str, index: int | None = None, **more: Any) -> dict[str, Any]:
    """What a trace shows; `key` is the name under which the snapshot and the live stream send its points."""
    return {"run": run, "metric": metric, "layer": layer, "key": series_key(metric, layer), "index": index, "kind": kind, **more}


def points(frame: pl.DataFrame | None, metric: str, layer: str = "", index: int | None = None) -> tuple[list[int], list[float]]:
    """-> steps and raw values of one series (of one element of a vector), ascending."""
    if frame is None or frame.is_empty():
        return [], []
    mine = frame.filter((pl.col("metric") == metric) & (pl.col("layer") == layer))
    mine = mine.filter(pl.col("index").is_null() if index is None else pl.col("index") == index).sort("step")
    return mine["step"].to_list(), mine["value"].to_list()


def line(
    run_style: RunStyle,
    frames: Frames,
    metric: str,
    layer: str = "",
    *,
    name: str = "",
    width: float = 1.6,
    smooth: bool = True,
    **style: Any,
) -> list[go.Scatter]:
    """One series of one run, and the running average that lies over it when asked for."""
    x, y = points(frames.get(run_style.run), metric, layer)
    named = f"{run_style.label} · {name}" if name else run_style.label
    finite = [v if math.isfinite(v) else None for v in y]
    shared: dict[str, Any] = {"legendgroup": f"{run_style.run} {metric}", "hovertemplate": f"%{{y:.4~g}}<extra>{named}</extra>"}
    drawn = {"color": run_style.colour, "width": width, "dash": run_style.dash}
    raw = go.Scatter(x=x, y=finite, name=named, mode="lines", line=drawn, meta=meta(run_style.run, metric, layer, "line"), **shared)
    raw.update(dots(finite, run_style.colour))
    raw.update(style)
    if not smooth:
        return [raw]
    over = go.Scatter(
        x=[], y=[], name=named, mode="lines", line=drawn | {"width": width + 0.6}, showlegend=False, legendgroup=shared["legendgroup"]
    )
    over.update(hoverinfo="skip", visible=False, meta=meta(run_style.run, metric, layer, "smooth"))
    return [raw, over]


def dots(y: Sequence[float | None], colour: str) -> dict[str, Any]:
    """What a line needs to show values without finite neighbours, which no line reaches: a dot each; {} where there are none."""
    padded = [None, *y, None]
    lone = [v is not None and before is None and after is None for before, v, after in zip(padded, y, padded[2:], strict=False)]
    return {"mode": "lines+markers", "marker": {"color": colour, "size": [DOT if dot else 0 for dot in lone]}} if any(lone) else {}


def sparse_line(run_style: RunStyle, frames: Frames, metric: str, *, name: str, size: int) -> list[go.Scatter]:
    """A metric that is read now and then: open circles, squares for a dotted run, on a thin line."""
    ring = {
        "symbol": "circle-open" if run_style.dash == "solid" else "square-open",
        "size": size,
        "color": run_style.colour,
        "line": {"width": 2},
    }
    return line(run_style, frames, metric, name=name, width=0.8, smooth=False, mode="lines+markers", marker=ring)


def reference_line(run_styles: Sequence[RunStyle], frames: Frames, metric: str, name: str, dash: str = "dash") -> list[go.Scatter]:
    """A measured metric that is the same for every run of the page, dashed and neutral: the first run that has it draws it."""
    for run_style in run_styles:
        if run_style.has(metric):
            drawn = line(run_style, frames, metric, smooth=False)
            drawn[0].update(name=name, line={"color": NEUTRAL, "width": 1.4, "dash": dash}, legendgroup=metric.rpartition("/")[2])
            drawn[0].update(hovertemplate=f"%{{y:.3~g}}<extra>{name}</extra>")
            return drawn
    return []


def level(value: float, name: str, **style: Any) -> go.Scatter:
    """A dashed neutral line across the panel: a bound or a prediction, not a measurement."""
    drawn = go.Scatter(x=[], y=[], name=name, mode="lines", line={"color": NEUTRAL, "width": 1.2, "dash": "dash"}, hoverinfo="skip")
    drawn.update(meta=meta("", "", "", "level", value=value), **style)
    return drawn


def marks(
    figure: go.Figure, run_styles: Sequence[RunStyle], frames: Frames, events: Events, *, spikes: Mapping[str, str] | None = None
) -> None:
    """Add the edge marks of every line in the figure's main panel, and diamonds for `spikes` ({event kind: metric})."""
    figure.layout.yaxis9 = {"overlaying": "y", "range": [0, 1], "fixedrange": True, "visible": False, "tickmode": "auto"}
    lines = [t for t in figure.data if (t.meta or {}).get("kind") == "line"]
    by_run = {run_style.run: run_style for run_style in run_styles}
    for word, shown in SHOWN.items():
        found = [
            (step, by_run[t.meta["run"]].colour, f"{shown} at step {step}: {t.name}")
            for t in lines
            for step, value in zip(*points(frames.get(t.meta["run"]), t.meta["metric"], t.meta["layer"]), strict=True)
            if nonfinite.word(value) == word
        ]
        figure.add_trace(_edge(found, "nonfinite", shown, SYMBOLS[word], EDGES[word], value=word))
    figure.add_trace(_edge([], "below_zero", "0 or less", "line-ew", FLOOR))
    for kind, metric in (spikes or {}).items():
        where = [
            (event["step"], value, run_style.colour, event["says"])
            for run_style in run_styles
            for event in events.get(run_style.run, ())
            if event["kind"] == kind
            for step, value in zip(*points(frames.get(run_style.run), metric), strict=True)
            if step == event["step"]
        ]
        figure.add_trace(_diamonds(where, metric, kind))


def _edge(marks: Sequence[tuple[int, str, str]], kind: str, name: str, symbol: str, height: float, **more: Any) -> go.Scatter:
    outline = {"width": 2 if symbol.startswith("line") else 0}
    marker = {"symbol": symbol, "size": 10, "color": [c for _, c, _ in marks] or NEUTRAL, "line": outline}
    return go.Scatter(
        x=[s for s, _, _ in marks],
        y=[height] * len(marks),
        text=[""] * len(marks),
        customdata=[w for _, _, w in marks],
        name=name,
        mode="markers+text",
        textposition="middle left",
        yaxis=OVERLAY,
        marker=marker,
        cliponaxis=False,
        showlegend=bool(marks),
        hovertemplate="%{customdata}<extra></extra>",
        meta=meta("", "", "", kind, height=height, **more),
    )


def _diamonds(where: Sequence[tuple[int, float, str, str]], metric: str, kind: str) -> go.Scatter:
    return go.Scatter(
        x=[s for s, _, _, _ in where],
        y=[v for _, v, _, _ in where],
        customdata=[w for _, _, _, w in where],
        name="spike",
        mode="markers",
        marker={"symbol": "diamond-open", "size": 11, "color": [c for _, _, c, _ in where] or NEUTRAL, "line": {"width": 2}},
        cliponaxis=False,
        showlegend=bool(where),
        hovertemplate="%{customdata}<extra>spike</extra>",
        meta=meta("", metric, "", "spike", event=kind),
    )
