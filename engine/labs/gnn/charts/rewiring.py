"""What a rewiring does to the total resistance, beside what as many random edges would do."""

from __future__ import annotations

import math
from collections.abc import Sequence

import plotly.graph_objects as go
import polars as pl

from engine.core import nonfinite
from engine.labs.chart import Chart, Events, Frames, RunStyle, blank
from engine.labs.common.profiles import newest
from engine.labs.common.traces import EDGES, NEUTRAL, SHOWN, meta, points
from engine.labs.gnn.datasets.resistance import below

TICKS = [digit * 10**power for power in range(9) for digit in (1, 2, 5)]
BEFORE, AFTER, RANDOM, ADDED = "resistance/before", "resistance/total", "resistance/random", "graph/edges_added"
SYMBOLS = dict(zip(SHOWN, ("x", "triangle-right", "triangle-left"), strict=True))  # the axis lies, so its edges are left and right


class Rewiring(Chart):
    """Total effective resistance before and after the rewiring, and after 99 draws of as many random edges.

    A run that has added edges and no random draws is not drawn.
    """

    title = "Rewiring against random edges"
    about = (
        "Total effective resistance before (open circle) and after the rewiring (filled), and, as ticks, after as many random edges in 99 "
        "draws; less is better connected, and says nothing of accuracy."
    )
    needs = (BEFORE, AFTER, RANDOM)
    also = (ADDED,)
    log = False
    live = "redraw"
    newest = True
    order = 22

    def figure(self, runs: Sequence[RunStyle], frames: Frames, events: Events, layer: str = "") -> go.Figure:
        figure = blank(y_title="", height=150 + 60 * len(runs))
        named: set[str] = set()
        odd: dict[str, list[tuple[str, str, str]]] = {word: [] for word in SHOWN}
        for run_style in runs:
            frame = frames.get(run_style.run)
            if _bare(frame):
                frame = None
            draws = newest(frame, RANDOM)
            kinds = (
                ("as many random edges", draws, {"symbol": "line-ns-open", "size": 14, "color": run_style.colour, "opacity": 0.45}),
                ("before", _last(frame, BEFORE), {"symbol": "circle-open", "size": 11, "color": run_style.colour, "line": {"width": 2}}),
                ("after", _last(frame, AFTER), {"symbol": "circle", "size": 11, "color": run_style.colour}),
            )
            for name, values, marker in kinds:
                label = f"{run_style.label} · {name}"
                x = [value for value in values if math.isfinite(value)]
                for word in {nonfinite.word(value) for value in values} - {""}:
                    odd[word].append((run_style.label, run_style.colour, label))
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
        for word, marks in odd.items():
            figure.add_trace(_edge(word, marks))
        figure.update_layout(
            hovermode="closest",
            xaxis9={"overlaying": "x", "range": [0, 1], "fixedrange": True, "visible": False, "tickmode": "auto"},
            xaxis={"title": {"text": "total effective resistance in ohm"}, "type": "log", "tickvals": TICKS},
            yaxis={"type": "category", "automargin": True},
        )
        return figure

    def sentences(self, run: RunStyle, frame: pl.DataFrame) -> list[str]:
        return ["There are no random draws, so it is not drawn."] if _bare(frame) else []

    def table(self, run: RunStyle, frame: pl.DataFrame, layer: str = "") -> pl.DataFrame | None:
        draws, before, after = newest(frame, RANDOM), _last(frame, BEFORE), _last(frame, AFTER)
        if not (draws and before and after):
            return None
        rows = [
            ("before", before[0]),
            ("after", after[0]),
            ("least of the random draws", min(draws)),
            ("most of the random draws", max(draws)),
            ("random draws below the rewiring", float(below(draws, after[0]))),
            ("random draws", float(len(draws))),
        ]
        return pl.DataFrame(rows, schema={"graph": str, "total resistance in ohm, or count": float}, orient="row")


def _edge(word: str, marks: Sequence[tuple[str, str, str]]) -> go.Scatter:
    """One mark at the edge for everything that has this value: (row, colour, what it is) of each."""
    return go.Scatter(
        x=[EDGES[word]] * len(marks),
        y=[row for row, _, _ in marks],
        customdata=[label for _, _, label in marks],
        name=SHOWN[word],
        mode="markers",
        xaxis="x9",
        marker={"symbol": SYMBOLS[word], "size": 10, "color": [colour for _, colour, _ in marks] or NEUTRAL},
        cliponaxis=False,
        showlegend=bool(marks),
        hovertemplate=f"{SHOWN[word]}: %{{customdata}}<extra></extra>",
        meta=meta("", "", "", "odd", value=word),
    )


def _bare(frame: pl.DataFrame | None) -> bool:
    """Whether its rewiring added edges, as far as is known, and nothing random stands beside them."""
    return bool(_last(frame, AFTER)) and not newest(frame, RANDOM) and _last(frame, ADDED) != [0.0]


def _last(frame: pl.DataFrame | None, metric: str) -> list[float]:
    return points(frame, metric)[1][-1:]
