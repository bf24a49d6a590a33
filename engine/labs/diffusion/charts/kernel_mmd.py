"""The image score without bias: the kernel distance between drawn pictures and real ones."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from engine.labs.chart import Chart, Events, Frames, RunStyle, blank
from engine.labs.common.charts._jumps import ways
from engine.labs.common.traces import marks, reference_line


class KernelMmd(Chart):
    """Squared maximum mean discrepancy with a cubic kernel on the features of FD-small, with the largest value of real pictures."""

    title = "Kernel distance of the drawn pictures"
    about = (
        "Pictures and features of FD-small under a measure without bias: 0 in the mean for pictures like the real ones; below "
        "the dashed line, the largest of 16 sets of real ones, a difference is chance."
    )
    needs = ("kernel_mmd/floor",)
    log = True
    order = 47
    group = "samples"

    def figure(self, runs: Sequence[RunStyle], frames: Frames, events: Events, layer: str = "") -> go.Figure:
        figure = blank(y_title="kernel distance")
        figure.add_traces(reference_line(runs, frames, "kernel_mmd/floor", "real pictures, largest of 16"))
        for run_style in runs:
            figure.add_traces(ways(run_style, frames, "kernel_mmd"))
        marks(figure, runs, frames, events)
        return figure
