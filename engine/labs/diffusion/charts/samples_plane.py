"""Samples over the data they should look like, one jump beside two."""

from __future__ import annotations

import math
from collections.abc import Sequence

import plotly.graph_objects as go

from engine.labs.chart import Chart, Events, Frames, RunStyle, blank
from engine.labs.common.profiles import latest
from engine.labs.common.traces import NEUTRAL, meta
from engine.labs.diffusion.charts._outside import at_edge, far

COLUMNS = {"samples/one_step": "one jump", "samples/two_steps": "two jumps"}
REACH = 1.25  # of the data, drawn around it; what lies outside is drawn at the edge


class SamplesPlane(Chart):
    """Points made from noise over real points, per run and number of jumps."""

    title = "Samples over the data"
    about = (
        "Points made from noise (coloured) over real ones (grey) at the latest reading, in one jump and in two; "
        "one outside a panel is an arrow at its edge, counted in the corner."
    )
    needs = ("samples/one_step", "samples/two_steps", "samples/data")
    live = "redraw"
    order = 12
    wide = True
    group = "samples"

    def figure(self, runs: Sequence[RunStyle], frames: Frames, events: Events, layer: str = "") -> go.Figure:
        drawn = [run_style for run_style in runs if run_style.has("samples/one_step")] or list(runs)
        figure = blank(height=290 * len(drawn) + 20)
        figure.update_layout(hovermode=False, showlegend=False, margin={"l": 12, "r": 12, "t": 26, "b": 8})
        for row, run_style in enumerate(drawn):
            for column, metric in enumerate(COLUMNS):
                self._panel(figure, row, column, len(drawn), run_style, frames, metric)
        return figure

    def _panel(self, figure: go.Figure, row: int, column: int, rows: int, run_style: RunStyle, frames: Frames, metric: str) -> None:
        number = row * len(COLUMNS) + column
        axis = "" if number == 0 else str(number + 1)
        frame = frames.get(run_style.run)
        real, (step, made) = latest(frame, "samples/data")[1], latest(frame, metric)
        reach = REACH * max((abs(v) for v in real), default=1.0)
        top = 1 - row / rows
        box = {"range": [-reach, reach], "showticklabels": False, "zeroline": False, "showgrid": False, "fixedrange": True, "title": None}
        figure.update_layout(
            {
                f"xaxis{axis}": {**box, "domain": [0.51 * column, 0.51 * column + 0.49], "anchor": f"y{axis}"},
                f"yaxis{axis}": {**box, "domain": [top - 1 / rows, top - 0.09 / rows], "anchor": f"x{axis}", "scaleanchor": f"x{axis}"},
            }
        )
        for values, name, size, colour, opacity in ((real, "samples/data", 3.5, NEUTRAL, 0.45), (made, metric, 4.5, run_style.colour, 0.8)):
            inside = [(x, y) for x, y in zip(values[::2], values[1::2], strict=True) if _within(x, reach) and _within(y, reach)]
            figure.add_trace(
                go.Scattergl(
                    x=[x for x, _ in inside],
                    y=[y for _, y in inside],
                    mode="markers",
                    marker={"size": size, "color": colour, "opacity": opacity},
                    xaxis=f"x{axis}",
                    yaxis=f"y{axis}",
                    name=f"{run_style.label} · {COLUMNS.get(name, 'data')}",
                    meta=meta(run_style.run, name, "", "redraw"),
                )
            )
        outside = [(x, y) for x, y in zip(made[::2], made[1::2], strict=True) if not (_within(x, reach) and _within(y, reach))]
        arrows = at_edge(outside, reach)
        figure.add_trace(
            go.Scatter(
                x=[x for x, _, _ in arrows],
                y=[y for _, y, _ in arrows],
                mode="markers",
                marker={
                    "symbol": "arrow",
                    "size": 10,
                    "angle": [angle for _, _, angle in arrows],
                    "color": run_style.colour,
                    "opacity": 0.7,
                },
                xaxis=f"x{axis}",
                yaxis=f"y{axis}",
                name=f"{run_style.label} · outside",
                meta=meta(run_style.run, metric, "", "redraw"),
            )
        )
        corner = {"xref": f"x{axis} domain", "yref": f"y{axis} domain", "x": 0.06, "xanchor": "left", "align": "left", "showarrow": False}
        figure.add_annotation(**corner, text=COLUMNS[metric], y=0.95, yanchor="top")
        figure.add_annotation(**corner, text=far(outside, len(made) // 2, reach / REACH), y=0.05, yanchor="bottom")
        if column == 0:
            title = {
                "text": f"<b>{run_style.label}</b>, step {step}",
                "x": 0,
                "y": top - 0.08 / rows,
                "xanchor": "left",
                "yanchor": "bottom",
            }
            figure.add_annotation(**title, xref="paper", yref="paper", showarrow=False)


def _within(value: float, reach: float) -> bool:
    return math.isfinite(value) and abs(value) <= reach
