"""Every event of a run, one lane per rule, so that lead times can be read off."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from engine.labs.chart import Chart, Events, Frames, RunLook, blank
from engine.labs.common.traces import meta

SYMBOLS = {"spike": "diamond-open", "divergence": "star", "nonfinite": "x", "checkpoint": "line-ns", "intervention": "triangle-right"}


class EventLane(Chart):
    """Detector firings, non-finite values, checkpoints and interventions over steps; pictures have a place of their own."""

    title = "Events"
    about = "When each rule fired: the first mark in a lane against the moment the loss moves is the warning time that rule gives."
    place = 60

    def figure(self, runs: Sequence[RunLook], frames: Frames, events: Events, layer: str = "") -> go.Figure:
        figure = blank(height=200)
        for look in runs:
            mine = [event for event in events.get(look.run, ()) if event["kind"] != "image"]
            figure.add_trace(
                go.Scatter(
                    x=[e["step"] for e in mine],
                    y=[lane(e) for e in mine],
                    customdata=[f"{look.label}: {e['says']}" for e in mine],
                    name=look.label,
                    mode="markers",
                    marker={
                        "symbol": [SYMBOLS.get(e["kind"], "circle") for e in mine] or "circle",
                        "size": 13,
                        "color": look.colour,
                        "opacity": 1 if look.dash == "solid" else 0.7,
                        "line": {"width": 3, "color": look.colour},
                    },
                    cliponaxis=False,
                    hovertemplate="step %{x}: %{customdata}<extra></extra>",
                    meta=meta(look.run, "", "", "events", label=look.label, symbols=SYMBOLS),
                )
            )
        figure.update_layout(hovermode="closest", yaxis={"type": "category", "automargin": True, "title": None, "fixedrange": True})
        return figure


def lane(event: dict[str, object]) -> str:
    """The name of an event's lane: its rule, or its kind when no rule made it."""
    return str(event.get("rule") or event["kind"]).replace("_", " ")
