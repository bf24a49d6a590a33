"""The image score: how far drawn pictures are from real ones, beside what real pictures score."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from engine.labs.chart import Chart, Events, Frames, RunLook, blank
from engine.labs.common.charts._jumps import ways
from engine.labs.common.traces import marks, yardstick


class FdSmall(Chart):
    """Fréchet distance in the features of a small frozen network, with the noise floor."""

    title = "FD-small of the drawn pictures"
    about = (
        "Fréchet distance between 400 drawn pictures and real ones, in 32 features of a small network trained on the same "
        "data; 400 real ones score the dashed line, and below it a difference is chance."
    )
    needs = ("fd_small/floor",)
    log = True
    place = 14

    def figure(self, runs: Sequence[RunLook], frames: Frames, events: Events, layer: str = "") -> go.Figure:
        figure = blank(y_title="FD-small")
        figure.add_traces(yardstick(runs, frames, "fd_small/floor", "real pictures"))
        for look in runs:
            figure.add_traces(ways(look, frames, "fd_small"))
        marks(figure, runs, frames, events)
        return figure
