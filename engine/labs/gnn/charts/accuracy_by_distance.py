"""How far a message gets: accuracy against distance, over runs, beside what walks alone would say."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import plotly.graph_objects as go
import polars as pl

from engine.labs.chart import Chart, Events, Frames, RunStyle, blank
from engine.labs.common.traces import NEUTRAL, meta, points

DISTANCE, ACCURACY, WALK = "graph/distance_before", "accuracy/train", "theory/walk"
LATE = 100  # steps at the end over which the mean is taken


class AccuracyByDistance(Chart):
    """One column of dots for each run: the largest accuracy of its training pass, which is the published number, and the mean of its last
    100 steps.  Grey: (Sʳ)_vu of its graph, computed and not fitted."""

    title = "Accuracy by distance"
    about = (
        "For each run, at the distance its message travels: the largest accuracy in training (filled) and the mean of the last 100 steps "
        "(open). Grey, on the right axis: the weight of all walks of that length."
    )
    needs = (DISTANCE, ACCURACY)
    also = (WALK,)
    live = "redraw"
    order = 14

    def fits(self, runs: Sequence[RunStyle]) -> bool:
        """True from two runs on: one distance is no curve."""
        return sum(all(run.has(metric) for metric in self.needs) for run in runs) > 1

    def figure(self, runs: Sequence[RunStyle], frames: Frames, events: Events, layer: str = "") -> go.Figure:
        figure = blank(y_title="accuracy")
        walks: list[tuple[float, float, str]] = []
        for run_style in runs:
            numbers = list(_numbers(frames.get(run_style.run)))
            walks += [(distance, value, run_style.label) for one, distance, value in numbers if one == "walks"]
            for name, symbol in (("largest", "circle"), ("mean of the last 100 steps", "circle-open")):
                mine = [(distance, value) for one, distance, value in numbers if one == name]
                figure.add_trace(
                    go.Scatter(
                        x=[distance for distance, _ in mine],
                        y=[value for _, value in mine],
                        mode="markers",
                        name=f"{run_style.label} · {name}",
                        legendgroup=run_style.run,
                        showlegend=name == "largest",
                        marker={"symbol": symbol, "size": 11, "color": run_style.colour, "line": {"width": 2}},
                        hovertemplate="%{y:.3~g} at distance %{x}<extra>" + f"{run_style.label} · {name}</extra>",
                        meta=meta(run_style.run, ACCURACY, "", name),
                    )
                )
        figure.add_trace(_walk_line(sorted(walks)))
        figure.update_yaxes(range=[-0.02, 1.05], selector={"overlaying": None})
        figure.update_layout(
            hovermode="closest",
            xaxis={"title": {"text": "distance in edges, before any rewiring"}, "dtick": 1},
            yaxis2={
                "overlaying": "y",
                "side": "right",
                "type": "log",
                "showgrid": False,
                "exponentformat": "power",
                "dtick": 1,
                "automargin": True,
                "title": {"text": "weight of walks", "standoff": 4},
            },
        )
        return figure

    def table(self, run: RunStyle, frame: pl.DataFrame, layer: str = "") -> pl.DataFrame | None:
        rows = list(_numbers(frame))
        return pl.DataFrame(rows, schema={"number": str, "distance in edges": float, "value": float}, orient="row") if rows else None


def _walk_line(walks: Sequence[tuple[float, float, str]]) -> go.Scatter:
    """Of several runs at one distance the values stand one above the other; exactly 0 has no place on a logarithmic axis and breaks it."""
    return go.Scatter(
        x=[distance for distance, _, _ in walks],
        y=[value if value > 0 else None for _, value, _ in walks],
        customdata=[label for _, _, label in walks],
        mode="lines+markers",
        name="weight of walks",
        yaxis="y2",
        line={"color": NEUTRAL, "width": 1.2, "dash": "dash"},
        marker={"size": 5, "symbol": "diamond", "color": NEUTRAL},
        hovertemplate="walks: %{y:.3~g} at distance %{x}<extra>%{customdata}</extra>",
        meta=meta("", WALK, "", "walks"),
    )


def _numbers(frame: pl.DataFrame | None) -> Iterator[tuple[str, float, float]]:
    """-> (what, distance, value); a run without a path between the two nodes has no distance to stand at."""
    distance = points(frame, DISTANCE)[1][-1:]
    if not distance or not math.isfinite(distance[0]):
        return
    step, accuracy = points(frame, ACCURACY)
    if accuracy:
        late = [value for at, value in zip(step, accuracy, strict=True) if at > step[-1] - LATE]
        yield "largest", distance[0], max(accuracy)
        yield "mean of the last 100 steps", distance[0], sum(late) / len(late)
    for value in points(frame, WALK)[1][-1:]:
        yield "walks", distance[0], value
