"""Distance of the samples from the data, for one and for two jumps, beside what real data would score."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from engine.chart import Chart, Events, Frames, RunLook, blank
from engine.traces import NEUTRAL, line, marks


class EnergyDistance(Chart):
    """Energy distance of one-step and two-step samples, with the noise floor."""

    title = "Distance of the samples from the data"
    about = (
        "Energy distance between samples and unseen data, after one jump (filled circles) and after two (open triangles); "
        "at the dashed line the samples are as good as real data."
    )
    needs = ("energy_distance/one_step", "energy_distance/two_steps", "energy_distance/floor")
    log = True
    place = 14

    def figure(self, runs: Sequence[RunLook], frames: Frames, events: Events, layer: str = "") -> go.Figure:
        figure = blank(y_title="energy distance")
        for look in [look for look in runs if look.has("energy_distance/floor")][:1]:  # one distribution, one floor
            floor = line(look, frames, "energy_distance/floor", smooth=False)
            floor[0].update(name="real data", line={"color": NEUTRAL, "width": 1.4, "dash": "dash"}, legendgroup="floor")
            floor[0].update(hovertemplate="%{y:.3~g}<extra>real data</extra>")
            figure.add_traces(floor)
        for look in runs:
            one = {"symbol": "circle", "size": 6, "color": look.colour}
            two = {"symbol": "triangle-up-open", "size": 8, "color": look.colour, "line": {"width": 1.6}}
            shared = {"smooth": False, "mode": "lines+markers"}
            figure.add_traces(line(look, frames, "energy_distance/one_step", name="one jump", width=2, marker=one, **shared))
            figure.add_traces(line(look, frames, "energy_distance/two_steps", name="two jumps", width=1, marker=two, **shared))
        marks(figure, runs, frames, events)
        return figure
