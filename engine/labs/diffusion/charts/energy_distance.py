"""Distance of the samples from the data, for one and for two jumps, beside what real data would score."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from engine.labs.chart import Chart, Events, Frames, RunStyle, blank
from engine.labs.common.charts._jumps import jumps, own_flow
from engine.labs.common.traces import marks, reference_line


class EnergyDistance(Chart):
    """Energy distance of one-step and two-step samples, with the noise floor."""

    title = "Distance of the samples from the data"
    about = (
        "Energy distance of samples from unseen data after one jump (filled circles), two (open triangles) and many of the own velocity "
        "(open squares). It hardly notices a missing part: see the coverage."
    )
    needs = ("energy_distance/one_step", "energy_distance/two_steps", "energy_distance/floor")
    log = True
    order = 14
    group = "samples"

    def figure(self, runs: Sequence[RunStyle], frames: Frames, events: Events, layer: str = "") -> go.Figure:
        figure = blank(y_title="energy distance")
        figure.add_traces(reference_line(runs, frames, "energy_distance/floor", "unseen real data, mean"))
        figure.add_traces(reference_line(runs, frames, "energy_distance/floor_high", "unseen real data, largest of 16", "dot"))
        figure.add_traces(reference_line(runs, frames, "energy_distance/training", "training pictures, mean", "longdash"))
        figure.add_traces(reference_line(runs, frames, "energy_distance/teacher", "true flow, 40 steps", "dashdot"))
        for run_style in runs:
            figure.add_traces([*jumps(run_style, frames, "energy_distance"), *own_flow(run_style, frames, "energy_distance")])
        marks(figure, runs, frames, events)
        return figure
