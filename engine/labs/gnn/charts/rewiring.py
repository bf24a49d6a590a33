"""What a rewiring does to the total resistance, beside what as many random edges would do."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go
import polars as pl

from engine.labs.chart import Chart, Events, Frames, RunStyle, blank
from engine.labs.common.profiles import newest
from engine.labs.common.traces import meta, points

TICKS = [digit * 10**power for power in range(9) for digit in (1, 2, 5)]
BEFORE, AFTER, RANDOM = "resistance/before", "resistance/total", "resistance/random"


class Rewiring(Chart):
    """Total effective resistance before and after the rewiring, and after 99 draws of as many random edges."""

    title = "Rewiring against random edges"
    about = (
        "Total effective resistance before (open circle) and after the rewiring (filled), and, as ticks, after as many random edges in 99 "
        "draws; less is better connected, and says nothing of accuracy."
    )
    needs = (BEFORE, AFTER, RANDOM)
    log = False
    live = "redraw"
    newest = True
    order = 22

    def figure(self, runs: Sequence[RunStyle], frames: Frames, events: Events, layer: str = "") -> go.Figure:
        figure = blank(y_title="", height=150 + 60 * len(runs))
        named: set[str] = set()
        for run_style in runs:
            frame = frames.get(run_style.run)
            draws = newest(frame, RANDOM)
            kinds = (
                ("as many random edges", draws, {"symbol": "line-ns-open", "size": 14, "color": run_style.colour, "opacity": 0.45}),
                ("before", _last(frame, BEFORE), {"symbol": "circle-open", "size": 11, "color": run_style.colour, "line": {"width": 2}}),
                ("after", _last(frame, AFTER), {"symbol": "circle", "size": 11, "color": run_style.colour}),
            )
            for name, x, marker in kinds:
                label = f"{run_style.label} · {name}"
                shown = {"legendgroup": name, "showlegend": bool(x) and name not in named}
                named |= {name} if x else set()
                figure.add_trace(
                    go.Scatter(
                        x=x,
                        y=[run_style.label] * len(x),
                        mode="markers",
                        name=name,
                        **shown,
                        marker=marker,
                        hovertemplate="%{x:.4~g} ohm<extra>" + label + "</extra>",
                        meta=meta(run_style.run, AFTER, "", name),
                    )
                )
        figure.update_layout(
            hovermode="closest",
            xaxis={"title": {"text": "total effective resistance in ohm"}, "type": "log", "tickvals": TICKS},
            yaxis={"type": "category", "automargin": True},
        )
        return figure

    def table(self, run: RunStyle, frame: pl.DataFrame, layer: str = "") -> pl.DataFrame | None:
        draws, before, after = newest(frame, RANDOM), _last(frame, BEFORE), _last(frame, AFTER)
        if not (draws and before and after):
            return None
        rows = [
            ("before", before[0]),
            ("after", after[0]),
            ("least of the random draws", min(draws)),
            ("most of the random draws", max(draws)),
            ("random draws below the rewiring", float(sum(draw < after[0] for draw in draws))),
            ("random draws", float(len(draws))),
        ]
        return pl.DataFrame(rows, schema={"graph": str, "total resistance in ohm, or count": float}, orient="row")


def _last(frame: pl.DataFrame | None, metric: str) -> list[float]:
    return points(frame, metric)[1][-1:]
