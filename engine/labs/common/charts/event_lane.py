"""Every event of a run, one lane per rule, so that lead times can be read off."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from engine.labs.chart import Chart, Events, Frames, RunStyle, blank
from engine.labs.common.traces import meta

SYMBOLS = {"spike": "diamond-open", "divergence": "star", "nonfinite": "x", "checkpoint": "line-ns", "intervention": "triangle-right"}


class EventLane(Chart):
    """Detector firings, non-finite values, checkpoints and interventions over steps; pictures have a place of their own."""

    title = "Events"
    about = (
        "A mark is an event: a rule that fired, or a checkpoint or an intervention in a lane of its own. "
        "How long a rule's first mark lies before the loss moves is the warning that it gives."
    )
    order = 60
    wide = True

    def figure(self, runs: Sequence[RunStyle], frames: Frames, events: Events, layer: str = "") -> go.Figure:
        figure = blank(height=200)
        for run_style in runs:
            mine = [event for event in events.get(run_style.run, ()) if event["kind"] != "image"]
            figure.add_trace(
                go.Scatter(
                    x=[e["step"] for e in mine],
                    y=[lane(e) for e in mine],
                    customdata=[f"{run_style.label}: {e['says']}" for e in mine],
                    name=run_style.label,
                    mode="markers",
                    marker={
                        "symbol": [SYMBOLS.get(e["kind"], "circle") for e in mine] or "circle",
                        "size": 13,
                        "color": run_style.colour,
                        "opacity": 1 if run_style.dash == "solid" else 0.7,
                        "line": {"width": 3, "color": run_style.colour},
                    },
                    cliponaxis=False,
                    hovertemplate="step %{x}: %{customdata}<extra></extra>",
                    meta=meta(run_style.run, "", "", "events", label=run_style.label, symbols=SYMBOLS),
                )
            )
        figure.update_layout(hovermode="closest", yaxis={"type": "category", "automargin": True, "title": None, "fixedrange": True})
        return figure


def lane(event: dict[str, object]) -> str:
    """The name of an event's lane: its rule, or its kind when no rule made it."""
    return str(event.get("rule") or event["kind"]).replace("_", " ")
