"""All curves over each other, with what their arms have in common."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import plotly.graph_objects as go

from engine.compare.curves import ArmCurve, RunLine
from engine.core.nonfinite import WORDS
from engine.labs.chart import blank
from engine.labs.common.traces import SHOWN
from pages.parts.compare.picture import (
    FLOOR,
    GREY,
    UNMEASURED,
    ArmStyle,
    ComparisonPicture,
    Shown,
    edge_marks,
    seed_text,
    shade,
    short,
    tag_free,
    value_axis,
)

FEWEST_SHADED = 3  # runs whose range is shaded; of two the lines say it


class CurvesOverlaid(ComparisonPicture):
    """A line a run, the median and the band (range) of every arm, the noise floor of the baseline, and the share that diverged below."""

    title = "Curves"
    about = (
        "Thin lines are runs, thick ones medians of those still finite; the shade is their range or, from 8 on, the "
        "90 % band of one more at each step by itself. Marks at the edge are no numbers."
    )
    order = 10
    wide = True
    zooms = True

    def figure(self, shown: Shown) -> go.Figure:
        figure = blank(y_title=shown.axis, height=460)
        figure.layout.update(hovermode="closest")
        if shown.within:
            figure.layout.xaxis.range = shown.within
        styles, drawn = {style.name: style for style in shown.styles}, shown.curves
        values = [v for line in drawn.lines for v in line.line.values.tolist()]
        lowest = value_axis(figure, "yaxis", values, shown.log)
        bottom = -np.inf if lowest is None else lowest
        _floor(figure, shown, bottom)
        for curve in drawn.arms:
            _shade(figure, curve, styles[curve.arm], bottom)
        for style in styles.values():
            rest = [line for line in drawn.lines if line.arm == style.name and not line.full]
            if rest:
                figure.add_trace(_rest(rest, style))
        for line in drawn.lines:
            if line.full:
                figure.add_trace(_full(line, styles[line.arm]))
        for curve in drawn.arms:
            figure.add_trace(_median(curve, styles[curve.arm]))
        edge_marks(figure, [mark for line in drawn.lines for mark in _marks(line, styles[line.arm])])
        if any(curve.diverged_B.any() for curve in drawn.arms):
            _diverged(figure, drawn.arms, styles)
        return figure


def _broken(line: RunLine) -> tuple[list[int], list[float | None]]:
    """Steps and values with a gap wherever a value is not finite."""
    gaps = np.array([step for step, _ in line.line.marks], np.int64)
    at = np.searchsorted(line.line.steps, gaps)
    return np.insert(line.line.steps, at, gaps).tolist(), short(np.insert(line.line.values, at, np.nan))


def _full(line: RunLine, style: ArmStyle) -> go.Scatter:
    x, y = _broken(line)
    lone = sum(v is not None for v in y) == 1  # which no line reaches
    return go.Scatter(
        x=x,
        y=y,
        name=f"{style.label}, {seed_text(line.key)}",
        mode="markers" if lone else "lines",
        line={"color": style.colour, "width": 1, "dash": style.dash},
        marker={"color": style.colour, "size": 6, "symbol": style.marker},
        opacity=0.55,
        legendgroup=style.name,
        showlegend=False,
        hovertemplate=f"%{{y:.4~g}} at step %{{x}}<extra>{style.label}, {seed_text(line.key)}</extra>",
    )


def _rest(lines: list[RunLine], style: ArmStyle) -> go.Scatter:
    """The other runs of an arm in one trace, a gap between two of them."""
    x: list[int | None] = []
    y: list[float | None] = []
    for line in lines:
        steps, values = _broken(line)
        x += [*steps, None]
        y += [*values, None]
    drawn = {"color": style.colour, "width": 0.7, "dash": style.dash}
    return go.Scatter(
        x=x, y=y, name=style.label, mode="lines", line=drawn, opacity=0.28, legendgroup=style.name, showlegend=False, hoverinfo="skip"
    )


def _zigzag(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return np.stack([first, second], axis=1).ravel()


def _median(curve: ArmCurve, style: ArmStyle) -> go.Scatter:
    """Through both medians of a stretch, where it has more than one step."""
    wide = not np.array_equal(curve.median_low_B, curve.median_high_B, equal_nan=True)
    x = np.repeat(curve.middle_B, 2) if wide else curve.middle_B
    y = _zigzag(curve.median_low_B, curve.median_high_B) if wide else curve.median_high_B
    return go.Scatter(
        x=short(x),
        y=short(y),
        name=style.label,
        mode="lines",
        line={"color": style.colour, "width": 2.6, "dash": style.dash},
        legendgroup=style.name,
        hovertemplate=f"median %{{y:.4~g}} at step %{{x}}<extra>{style.label}</extra>",
    )


def _shade(figure: go.Figure, curve: ArmCurve, style: ArmStyle, bottom: float) -> None:
    if curve.form == "band" or (curve.form == "range" and curve.runs_B.max(initial=0) >= FEWEST_SHADED):
        _area(figure, curve.middle_B, np.maximum(curve.low_B, bottom), curve.high_B, shade(style.colour), style.name)


def _area(figure: go.Figure, x: np.ndarray, low: np.ndarray, high: np.ndarray, colour: str, group: str, *, name: str = "") -> None:
    """Filled between two lines, with a hole wherever an end is missing; `name` puts it into the legend."""
    whole = np.isfinite(low) & np.isfinite(high)
    cuts = np.flatnonzero(np.diff(whole.astype(int), prepend=0, append=0))
    for n, (start, end) in enumerate(zip(cuts[::2], cuts[1::2], strict=True)):
        part = slice(start, end)
        outline = [*short(x[part]), *short(x[part][::-1])], [*short(low[part]), *short(high[part][::-1])]
        figure.add_trace(
            go.Scatter(
                x=outline[0],
                y=outline[1],
                fill="toself",
                fillcolor=colour,
                mode="lines",
                line={"width": 0},
                name=name,
                legendgroup=group,
                showlegend=bool(name) and n == 0,
                hoverinfo="skip",
            )
        )


def _floor(figure: go.Figure, shown: Shown, bottom: float) -> None:
    curves = shown.curves
    if not np.isfinite(curves.floor_B).any():
        figure.add_trace(go.Scatter(x=[None], y=[None], name=UNMEASURED, mode="lines", line={"width": 8, "color": GREY}, hoverinfo="skip"))
        return
    base = curves.baseline
    low, high = base.median_low_B - curves.floor_B, base.median_high_B + curves.floor_B
    _area(figure, base.middle_B, np.maximum(low, bottom), high, GREY, FLOOR, name=f"{FLOOR} of {tag_free(base.arm)}")


def _marks(line: RunLine, style: ArmStyle) -> Iterator[tuple[float, str, str, str]]:
    for step, word in line.line.marks:
        if word in WORDS:
            yield step, word, style.colour, f"{SHOWN[word]} at step {step}: {style.label}, {seed_text(line.key)}"


def _diverged(figure: go.Figure, arms: tuple[ArmCurve, ...], styles: dict[str, ArmStyle]) -> None:
    """The share of runs without a finite value any more, on a panel of its own below."""
    figure.layout.yaxis.domain = [0.27, 1]
    figure.layout.yaxis2 = {"domain": [0, 0.16], "range": [-0.05, 1.05], "title": {"text": "diverged"}, "tickvals": [0, 0.5, 1]}
    figure.layout.yaxis2.tickformat = ".0%"
    figure.layout.xaxis.anchor = "y2"
    for curve in arms:
        style = styles[curve.arm]
        share = curve.diverged_B / np.maximum(curve.runs_B, 1)
        figure.add_trace(
            go.Scatter(
                x=short(curve.middle_B),
                y=short(share),
                customdata=[f"{k} of {n}" for k, n in zip(curve.diverged_B.tolist(), curve.runs_B.tolist(), strict=True)],
                name=style.label,
                yaxis="y2",
                mode="lines",
                line={"color": style.colour, "width": 1.6, "dash": style.dash, "shape": "hv"},
                legendgroup=style.name,
                showlegend=False,
                hovertemplate=f"%{{customdata}} diverged by step %{{x}}<extra>{style.label}</extra>",
            )
        )
