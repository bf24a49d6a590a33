"""How much of the choice of expert the byte alone decides, beside what chance alone would show."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from engine.labs.chart import Chart, Events, Frames, RunStyle, blank
from engine.labs.common.traces import NEUTRAL, line, marks


class ByteInformation(Chart):
    """I(byte; expert) / H(expert) on the validation text, with the same number for shuffled bytes."""

    title = "How much the byte decides"
    about = (
        "0: an expert's bytes are those of the whole text; 1: the byte alone decides which expert it goes to. "
        "The dashed lines are what chance shows: the same number with the bytes shuffled."
    )
    needs = ("router/byte_information",)
    layered = True
    order = 54

    def figure(self, runs: Sequence[RunStyle], frames: Frames, events: Events, layer: str = "") -> go.Figure:
        figure = blank(y_title="I(byte; expert) / H(expert)")
        for place, run_style in enumerate(runs):  # it depends on how many experts are in use, so each run has its own
            floor = line(run_style, frames, "router/byte_information_noise", layer, smooth=False, name="chance alone")
            floor[0].update(
                name="chance alone", line={"color": NEUTRAL, "width": 1.2, "dash": "dash"}, legendgroup="chance", showlegend=place == 0
            )
            figure.add_traces(floor)
        for run_style in runs:
            figure.add_traces(line(run_style, frames, "router/byte_information", layer, mode="lines+markers"))
        marks(figure, runs, frames, events)
        figure.update_yaxes(rangemode="tozero", selector={"overlaying": None})
        return figure
