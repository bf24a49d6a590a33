"""Which nodes the read node hears, on the graph itself."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import plotly.graph_objects as go
import polars as pl

from engine.labs.chart import Chart, Events, Frames, RunStyle, blank
from engine.labs.common.profiles import latest, newest
from engine.labs.common.traces import NEUTRAL, meta

JACOBIAN, PLACE, ENDS, ADDED, ROLES = "jacobian/by_node", "graph/place", "graph/ends", "graph/added", "graph/roles"
READ, KNOWS = 1.0, 2.0
SYMBOLS = {READ: "square", KNOWS: "diamond"}
WHO = {READ: "is read", KNOWS: "must be heard"}
DECADES = 8  # of the colours, below the largest value
HEIGHT, FLAT, TITLE = 300, 90, 26  # pixels of a square graph, of the flattest, and of a title


class JacobianMap(Chart):
    """The graph, its nodes coloured by how strongly the read node depends on each, at the newest reading; one graph for each run."""

    title = "Who is heard"
    about = (
        "Colour: how much the read node (square) depends on a node, over the largest; it must hear of the diamond. Hollow: exactly 0. "
        "✕: not a number. Dashed: an edge of a rewiring."
    )
    needs = (JACOBIAN, PLACE, ROLES)
    also = (ENDS, ADDED)
    live = "redraw"
    newest = True
    order = 18
    wide = True

    def figure(self, runs: Sequence[RunStyle], frames: Frames, events: Events, layer: str = "") -> go.Figure:
        drawn = [run for run in runs if run.has(JACOBIAN)] or list(runs)
        tall = [_pixels(frames.get(run.run)) + TITLE * (len(drawn) > 1) for run in drawn]
        figure, top, height = blank(height=int(sum(tall)) + 24), 1.0, sum(tall)
        for row, run_style in enumerate(drawn, start=1):
            frame, x, y = frames.get(run_style.run), f"x{row if row > 1 else ''}", f"y{row if row > 1 else ''}"
            for trace in (*_edges(run_style, frame), *_nodes(run_style, frame)):
                figure.add_trace(trace.update(xaxis=x, yaxis=y))
            bottom, free = max(0.0, top - tall[row - 1] / height), TITLE * (len(drawn) > 1) / height
            hidden = {"visible": False, "title": None}
            figure.update_layout(
                {
                    x.replace("x", "xaxis"): hidden | {"range": [-0.05, 1.05], "anchor": y},
                    y.replace("y", "yaxis"): hidden | {"domain": [bottom, top - free], "scaleanchor": x},
                }
            )
            if free:
                at = {"x": 0, "y": top, "xref": "paper", "yref": "paper", "xanchor": "left", "yanchor": "top", "showarrow": False}
                figure.add_annotation(text=run_style.label, font={"color": run_style.colour}, **at)
            top = bottom
        figure.update_layout(
            coloraxis={"colorscale": "Viridis", "cmin": -DECADES, "cmax": 0, "colorbar": _colour_bar()},
            hovermode="closest",
            showlegend=False,
            margin={"l": 8, "r": 8, "t": 12, "b": 12},
        )
        return figure

    def table(self, run: RunStyle, frame: pl.DataFrame, layer: str = "") -> pl.DataFrame | None:
        heard, roles = newest(frame, JACOBIAN), newest(frame, ROLES)
        if not heard:
            return None
        rows = [(node, WHO.get(role, ""), value) for node, (value, role) in enumerate(_together(heard, roles))]
        return pl.DataFrame(rows, schema={"node": int, "role": str, "Jacobian norm": float}, orient="row")

    def sentences(self, run: RunStyle, frame: pl.DataFrame) -> list[str]:
        step, heard = latest(frame, JACOBIAN)
        own, theirs = (_of_role(heard, newest(frame, ROLES), role) for role in (READ, KNOWS))
        if own is None or theirs is None:
            return []
        silent = sum(value == 0 for value in heard)
        count = f"{silent} of {len(heard)} nodes are not heard at all." if silent else f"All {len(heard)} nodes are heard."
        if theirs == 0:
            said = "the node that must be heard is not heard."
        elif own > 0 and math.isfinite(own) and math.isfinite(theirs):
            said = f"the node that must be heard counts {theirs / own:.2g} times as much as the read node itself."
        else:
            said = "not every number is finite, so nothing is said of the node that must be heard."
        return [f"After {step + 1:,} steps {said} {count}"]


def _nodes(run_style: RunStyle, frame: pl.DataFrame | None) -> Iterator[go.Scatter]:
    place, heard, roles = newest(frame, PLACE), newest(frame, JACOBIAN), newest(frame, ROLES)
    nodes = list(_together(heard, roles))
    largest = max((value for value in heard if math.isfinite(value)), default=0.0)
    kinds = {
        "heard": [i for i, (value, _) in enumerate(nodes) if value > 0 and math.isfinite(value)],
        "silent": [i for i, (value, _) in enumerate(nodes) if value == 0],
        "odd": [i for i, (value, _) in enumerate(nodes) if not math.isfinite(value)],
    }
    for kind, mine in kinds.items():
        marker: dict[str, object] = {"size": [17 if nodes[i][1] else 12 for i in mine], "line": {"width": 1.4, "color": NEUTRAL}}
        symbols = [SYMBOLS.get(nodes[i][1], "circle") for i in mine]
        if kind == "heard":
            marker |= {"symbol": symbols, "color": [_decade(nodes[i][0], largest) for i in mine], "coloraxis": "coloraxis"}
        elif kind == "silent":
            marker |= {"symbol": [f"{symbol}-open" for symbol in symbols], "color": NEUTRAL}
        else:
            marker |= {"symbol": "x", "color": "#D55E00"}
        yield go.Scatter(
            x=[place[2 * i] for i in mine if 2 * i + 1 < len(place)],
            y=[place[2 * i + 1] for i in mine if 2 * i + 1 < len(place)],
            customdata=[[i, f", {WHO[nodes[i][1]]}" if nodes[i][1] in WHO else "", f"{nodes[i][0]:.3g}"] for i in mine],
            mode="markers",
            name=kind,
            marker=marker,
            hovertemplate="node %{customdata[0]}%{customdata[1]}: Jacobian norm %{customdata[2]}<extra>" + run_style.label + "</extra>",
            meta=meta(run_style.run, JACOBIAN, "", kind),
        )


def _edges(run_style: RunStyle, frame: pl.DataFrame | None) -> Iterator[go.Scatter]:
    place, ends, added = newest(frame, PLACE), newest(frame, ENDS), newest(frame, ADDED)
    for dash, wanted in (("solid", 0.0), ("dash", 1.0)):
        x: list[float | None] = []
        y: list[float | None] = []
        for edge, flag in enumerate(added):
            a, b = (int(node) for node in ends[2 * edge : 2 * edge + 2])
            if flag == wanted and 2 * max(a, b) + 1 < len(place):
                x += [place[2 * a], place[2 * b], None]
                y += [place[2 * a + 1], place[2 * b + 1], None]
        yield go.Scatter(
            x=x,
            y=y,
            mode="lines",
            name="edges",
            hoverinfo="skip",
            line={"color": NEUTRAL if dash == "solid" else "#D55E00", "width": 1 if dash == "solid" else 2, "dash": dash},
            meta=meta(run_style.run, ENDS, "", f"edges {dash}"),
        )


def _pixels(frame: pl.DataFrame | None) -> float:
    """How tall a graph is drawn: as its places ask for."""
    y = newest(frame, PLACE)[1::2]
    return FLAT + (HEIGHT - FLAT) * (max(y) - min(y) if y else 1.0)


def _together(heard: Sequence[float], roles: Sequence[float]) -> Iterator[tuple[float, float]]:
    """Value and role of each node; nodes that a rewiring brought along have no Jacobian."""
    return zip(heard, roles[: len(heard)], strict=True)


def _of_role(heard: Sequence[float], roles: Sequence[float], role: float) -> float | None:
    return next((value for value, mine in zip(heard, roles, strict=False) if mine == role), None)


def _decade(value: float, largest: float) -> float:
    """log10 of the share of the largest, not below the last colour."""
    return max(-DECADES, math.log10(value / largest))


def _colour_bar() -> dict[str, object]:
    ticks = list(range(-DECADES, 1, 2))
    words = [f"10<sup>{tick}</sup>" if tick else "1" for tick in ticks]
    words[0] = f"≤ {words[0]}"
    return {"thickness": 12, "tickvals": ticks, "ticktext": words, "title": {"text": "of the largest", "side": "right"}, "len": 0.9}
