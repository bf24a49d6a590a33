"""The image score: how far drawn pictures are from real ones, beside what real pictures score."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from engine.labs.chart import Chart, Events, Frames, RunStyle, blank
from engine.labs.common.charts._jumps import ways
from engine.labs.common.traces import marks, reference_line


class FdSmall(Chart):
    """Fréchet distance in the features of a small frozen network, with the noise floor."""

    title = "FD-small of the drawn pictures"
    about = (
        "Fréchet distance between 400 drawn pictures and real ones, in 32 features of a small network trained on the same "
        "data; 400 real ones score the dashed line, and below it a difference is chance."
    )
    needs = ("fd_small/floor",)
    log = True
    order = 14

    def figure(self, runs: Sequence[RunStyle], frames: Frames, events: Events, layer: str = "") -> go.Figure:
        figure = blank(y_title="FD-small")
        figure.add_traces(reference_line(runs, frames, "fd_small/floor", "real pictures"))
        for run_style in runs:
            figure.add_traces(ways(run_style, frames, "fd_small"))
        marks(figure, runs, frames, events)
        return figure
