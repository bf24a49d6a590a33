"""Strips of values: for every arm a dot a seed, lines between the two ends of a pair, the median and its band or range."""

from __future__ import annotations

import math

import plotly.graph_objects as go

from engine.core.nonfinite import word
from engine.labs.chart import blank
from engine.labs.common.traces import NEUTRAL
from engine.statistics.matching import Key
from pages.parts.compare.picture import Overview, Shown, edge_marks, floor_band, in_lines, seed_text, shade, short, tag_free, value_axis

WIDTH = 0.28  # half of an arm's strip
DOT = 0.07  # of an arm's strip, and
TALL = 1 / 40  # of the height: what a dot covers
MOST_NAMED = 8  # arms whose names fit below the axis


def strips(shown: Shown, overview: Overview, title: str, *, log: bool, unnumbered: str) -> go.Figure:
    """`unnumbered`: what a value that is no number means ("diverged")."""
    figure = blank(y_title=in_lines(title), height=340)
    figure.layout.yaxis.automargin = True
    figure.layout.update(hovermode="closest", showlegend=False)
    styles, arms = shown.styles, overview.arms.arms
    position = {arm.name: n for n, arm in enumerate(arms)}
    lowest = value_axis(figure, "yaxis", [v for values in overview.values.values() for v in values.values()], log)
    numbers = {one["arm"]: one for part in (overview.compared, *overview.others) for one in part.json()["arms"]}
    base = numbers[overview.baseline]["median"]
    floor_band(figure, overview.compared.floor, base, lowest)
    across = _across(overview, log=lowest is not None)
    _pairs(figure, overview, position, across)
    marks = []
    for n, (arm, style) in enumerate(zip(arms, styles, strict=True)):
        values = {key: v for key, v in overview.values[arm.name].items() if v is not None}
        finite = {key: v for key, v in values.items() if math.isfinite(v)}
        figure.add_trace(
            go.Scatter(
                x=[n + across[arm.name][key] for key in finite],
                y=short(finite.values()),
                customdata=[seed_text(key) for key in finite],
                mode="markers",
                marker={"color": style.colour, "size": 8, "symbol": style.marker, "opacity": 0.85},
                name=style.label,
                hovertemplate=f"%{{y:.4~g}}, %{{customdata}}<extra>{style.label}</extra>",
            )
        )
        odd = [key for key, v in values.items() if not math.isfinite(v)]
        marks += [(n, word(math.nan), style.colour, f"{style.label}, {seed_text(key)}: {unnumbered}") for key in odd]
        _middle(figure, n, numbers[arm.name], style.colour)
    edge_marks(figure, marks)
    labels = [style.label if len(arms) <= MOST_NAMED else str(n + 1) for n, style in enumerate(styles)]
    figure.layout.xaxis.update(title=None, tickvals=list(range(len(arms))), ticktext=labels, range=[-0.6, len(arms) - 0.4], showgrid=False)
    figure.layout.xaxis.automargin = True
    return figure


def _across(overview: Overview, *, log: bool) -> dict[str, dict[Key, float]]:
    """How far beside the middle of its strip each finite dot lies: 0, and a dot's width more for each that would cover it."""
    heights = {
        name: {key: math.log10(v) if log else v for key, v in values.items() if v is not None and math.isfinite(v) and (v > 0 or not log)}
        for name, values in overview.values.items()
    }
    every = [height for values in heights.values() for height in values.values()]
    near = TALL * (max(every) - min(every)) if every else 0.0
    out: dict[str, dict[Key, float]] = {}
    for name, values in heights.items():
        groups: list[list[Key]] = []
        for key in sorted(values, key=lambda key: (values[key], key)):
            if groups and values[key] - values[groups[-1][0]] <= near:
                groups[-1].append(key)
            else:
                groups.append([key])
        out[name] = {}
        for group in groups:
            step = min(DOT, 2 * WIDTH / max(1, len(group) - 1))
            out[name] |= {key: step * (n - (len(group) - 1) / 2) for n, key in enumerate(sorted(group))}
    return out


def _pairs(figure: go.Figure, overview: Overview, position: dict[str, int], across: dict[str, dict[Key, float]]) -> None:
    """From the baseline's dot to the other one's, for every pair of which both are finite."""
    x: list[float | None] = []
    y: list[float | None] = []
    base = overview.values[overview.baseline]
    for difference in overview.compared.differences:
        other = overview.values[difference.first]
        for key, value in base.items():
            ends = (value, other.get(key))
            if all(v is not None and math.isfinite(v) for v in ends):
                x += [
                    position[overview.baseline] + across[overview.baseline][key],
                    position[difference.first] + across[difference.first][key],
                ]
                x += [None]
                y += [*short(v for v in ends if v is not None), None]
    if x:
        figure.add_trace(
            go.Scatter(x=x, y=y, mode="lines", line={"color": NEUTRAL, "width": 0.7}, opacity=0.5, hoverinfo="skip", name="pairs")
        )


def _middle(figure: go.Figure, n: int, numbers: dict, colour: str) -> None:
    """The median as a bar across the strip, and behind it the 90 % band where there is one."""
    if numbers["median"] is None:
        return
    ends = [n - WIDTH, n + WIDTH]
    if numbers["band"] is not None and numbers["band"][0] is not None:
        low, high = short(numbers["band"])
        band = go.Scatter(
            x=[ends[0], ends[1], ends[1], ends[0]],
            y=[low, low, high, high],
            fill="toself",
            fillcolor=shade(colour),
            mode="lines",
            line={"width": 0},
            hoverinfo="skip",
            name="90 % band",
        )
        figure.add_trace(band)
    middle = short([numbers["median"]])[0]
    figure.add_trace(
        go.Scatter(
            x=ends,
            y=[middle, middle],
            mode="lines",
            line={"color": colour, "width": 3},
            name="median",
            hovertemplate=f"median {tag_free(middle)}<extra></extra>",
        )
    )
