"""Paired differences: each pair, their mean with its interval, and how far fresh seeds of the baseline lie apart."""

from __future__ import annotations

import math

import plotly.graph_objects as go

from engine.core.nonfinite import WORDS
from engine.labs.chart import blank
from engine.labs.common.traces import NEUTRAL
from pages.parts.compare.picture import ComparisonPicture, Shown, floor_band, in_lines, seed_text, short, tag_free

ROW = 44  # pixels of an arm
LINE_HEIGHT = 16  # pixels of a further line of the axis title
OUTSIDE = {math.inf: "only this arm diverged", -math.inf: "only the baseline diverged"}
NAN, ABOVE, BELOW = WORDS


class PairedDifferences(ComparisonPicture):
    """One row an arm: its runs minus the baseline's of the same seed and data order."""

    title = "Differences, pair by pair"
    about = "Each dot is a run minus the baseline's run of the same seed and data order; the bar is the 90 % interval of their mean."
    order = 30

    def fits(self, shown: Shown) -> bool:
        return any(one.n for one in shown.overview.compared.differences)

    def figure(self, shown: Shown) -> go.Figure:
        compared = shown.overview.compared
        rows = [one for one in compared.differences if one.n]
        figure = blank(height=max(220, 110 + ROW * len(rows)))
        figure.layout.update(hovermode="closest", showlegend=False)
        figure.layout.margin.update(l=20)
        floor_band(figure, compared.floor, 0.0, None, horizontal=False)
        figure.add_vline(x=0, line={"color": NEUTRAL, "width": 1, "dash": "dash"})
        keys = {one.first: _keys(shown, one.first) for one in rows}
        sizes = [abs(v) for one in rows for v in one.differences if math.isfinite(v)] or [1.0]
        edge = 1.15 * max(sizes) or 1.0
        for n, one in enumerate(rows):
            style = shown.style(one.first)
            finite = [(v, key) for v, key in zip(one.differences, keys[one.first], strict=True) if math.isfinite(v)]
            figure.add_trace(
                go.Scatter(
                    x=short(v for v, _ in finite),
                    y=[n] * len(finite),
                    customdata=[seed_text(key) for _, key in finite],
                    mode="markers",
                    marker={"color": style.colour, "symbol": style.marker, "size": 8, "opacity": 0.75},
                    name=style.label,
                    hovertemplate=f"%{{x:.4~g}}, %{{customdata}}<extra>{style.label}</extra>",
                )
            )
            odd = [(v, key) for v, key in zip(one.differences, keys[one.first], strict=True) if not math.isfinite(v)]
            if odd:
                figure.add_trace(_edge(odd, n, edge, shown, one.first))
            if one.low is not None and one.high is not None and one.mean is not None:
                figure.add_trace(_interval(one.mean, one.low, one.high, n, style.colour, style.label))
        names = [tag_free(one.first) for one in rows]
        figure.layout.yaxis.update(tickvals=list(range(len(rows))), ticktext=names, range=[len(rows) - 0.4, -0.6], automargin=True)
        figure.layout.yaxis.update(showgrid=False, title=None)
        title = in_lines(f"{shown.axis}, minus {tag_free(shown.overview.baseline)}")
        figure.layout.xaxis.update(title=title, zeroline=False, automargin=True)
        figure.layout.height += LINE_HEIGHT * title.count("<br>")
        return figure


def _keys(shown: Shown, arm: str) -> list[tuple[int, int]]:
    """The keys of the pairs, in the order of the differences."""
    first, second = shown.overview.values[arm], shown.overview.values[shown.overview.baseline]
    return sorted(key for key, value in first.items() if value is not None and second.get(key) is not None)


def _edge(odd: list[tuple[float, tuple[int, int]]], row: int, edge: float, shown: Shown, arm: str) -> go.Scatter:
    """Pairs of which a run diverged have no number: they stand at the end of the row on their side, in the middle where both did."""
    style = shown.style(arm)
    texts = [f"{OUTSIDE.get(v, 'both diverged')}, {seed_text(key)}" for v, key in odd]
    x = [0.0 if math.isnan(v) else math.copysign(edge, v) for v, _ in odd]
    symbols = ["x" if math.isnan(v) else "triangle-right" if v > 0 else "triangle-left" for v, _ in odd]
    return go.Scatter(
        x=x,
        y=[row + 0.22] * len(odd),
        customdata=texts,
        mode="markers",
        marker={"color": style.colour, "symbol": symbols, "size": 10},
        name=style.label,
        hovertemplate=f"%{{customdata}}<extra>{style.label}</extra>",
    )


def _interval(mean: float, low: float, high: float, row: int, colour: str, label: str) -> go.Scatter:
    ends = {
        "type": "data",
        "symmetric": False,
        "array": [high - mean],
        "arrayminus": [mean - low],
        "color": colour,
        "thickness": 3,
        "width": 8,
    }
    return go.Scatter(
        x=[mean],
        y=[row - 0.22],
        error_x=ends,
        mode="markers",
        marker={"color": colour, "size": 11, "symbol": "line-ns", "line": {"width": 3, "color": colour}},
        name=label,
        hovertemplate=f"mean {mean:.4g}, 90 % interval {low:.4g} to {high:.4g}<extra>{label}</extra>",
    )
