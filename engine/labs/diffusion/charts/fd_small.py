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
        "Fréchet distance in 32 features of 400 drawn pictures from real ones. 400 real ones score the dashed line, all bias, "
        "and 95 % of such sets the dotted one or less; dots and dashes: how far two differ."
    )
    needs = ("fd_small/floor",)
    log = True
    order = 14
    group = "samples"

    def figure(self, runs: Sequence[RunStyle], frames: Frames, events: Events, layer: str = "") -> go.Figure:
        figure = blank(y_title="FD-small")
        figure.add_traces(reference_line(runs, frames, "fd_small/floor", "real pictures, mean"))
        figure.add_traces(reference_line(runs, frames, "fd_small/floor_high", "real pictures, 95 %", "dot"))
        figure.add_traces(reference_line(runs, frames, "fd_small/difference", "difference of two such sets, 95 %", "dashdot"))
        for run_style in runs:
            figure.add_traces(ways(run_style, frames, "fd_small"))
        marks(figure, runs, frames, events)
        return figure
