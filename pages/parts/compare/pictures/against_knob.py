"""The metric against the number in which the arms differ."""

from __future__ import annotations

import math

import plotly.graph_objects as go

from engine.core.nonfinite import word
from engine.labs.chart import blank
from engine.labs.common.traces import NEUTRAL
from pages.parts.compare.picture import ComparisonPicture, Shown, edge_marks, floor_band, in_lines, seed_text, short, tag_free, value_axis

SPREAD = 10.0  # largest over smallest, from which on the knob's axis is logarithmic


def knob_of(shown: Shown) -> str:
    """The knob on the horizontal axis: the one compared by or, without that, the only one that differs; "" where it is no number."""
    arms = shown.arms
    knob = shown.overview.by or (arms.heads[0] if len(arms.heads) == 1 else "")
    return knob if knob and arms.numeric(knob) else ""


class AgainstKnob(ComparisonPicture):
    """A dot a run over the knob's value, and the medians joined."""

    title = "Against the knob"
    about = "What the runs came to over the value of the knob; the line joins the medians of the arms that are compared."
    order = 60

    def fits(self, shown: Shown) -> bool:
        return bool(knob_of(shown)) and any(v is not None for values in shown.overview.values.values() for v in values.values())

    def figure(self, shown: Shown) -> go.Figure:
        knob, overview = knob_of(shown), shown.overview
        figure = blank(y_title=in_lines(shown.axis), height=340)
        figure.layout.update(hovermode="closest", showlegend=False)
        together = list(overview.compared.arms)
        at = {arm.name: float(overview.arms.arm(arm.name).knobs[knob]) for arm in together}
        lowest = value_axis(figure, "yaxis", [v for arm in together for v in overview.values[arm.name].values()], shown.log)
        logarithmic = min(at.values()) > 0 and max(at.values()) >= SPREAD * min(at.values())
        figure.layout.xaxis.update(title=tag_free(knob), type="log" if logarithmic else "linear", tickformat=".3~g")
        base = next(arm.median for arm in together if arm.name == overview.baseline)
        floor_band(figure, overview.compared.floor, base, lowest)
        medians = sorted((at[arm.name], arm.median) for arm in together if arm.median is not None)
        figure.add_trace(
            go.Scatter(
                x=[x for x, _ in medians],
                y=short(y for _, y in medians),
                mode="lines",
                line={"color": NEUTRAL, "width": 2},
                name="median",
                hovertemplate="median %{y:.4~g} at %{x}<extra></extra>",
            )
        )
        marks = []
        for arm in together:
            style, values = shown.style(arm.name), overview.values[arm.name]
            finite = {key: v for key, v in values.items() if v is not None and math.isfinite(v)}
            figure.add_trace(
                go.Scatter(
                    x=[at[arm.name]] * len(finite),
                    y=short(finite.values()),
                    customdata=[seed_text(key) for key in finite],
                    mode="markers",
                    marker={"color": style.colour, "size": 8, "symbol": style.marker, "opacity": 0.85},
                    name=style.label,
                    hovertemplate=f"%{{y:.4~g}}, %{{customdata}}<extra>{style.label}</extra>",
                )
            )
            odd = [key for key, v in values.items() if v is not None and not math.isfinite(v)]
            marks += [(at[arm.name], word(math.nan), style.colour, f"{style.label}, {seed_text(key)}: diverged") for key in odd]
        edge_marks(figure, marks)
        return figure
