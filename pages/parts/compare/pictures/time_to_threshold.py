"""How long every run took to a level of the metric."""

from __future__ import annotations

import math

import plotly.graph_objects as go

from pages.parts.compare.picture import ComparisonPicture, Shown, tag_free
from pages.parts.compare.strips import strips

FEW = 5  # steps, below which the axis shows every one


class TimeToThreshold(ComparisonPicture):
    """A strip an arm, a dot a seed; runs that never came to the level are marked at the edge."""

    title = "Steps to a threshold"
    about = "The first step at which a run reaches the threshold chosen above; × at the edge is a run that ended without reaching it."
    order = 50

    def fits(self, shown: Shown) -> bool:
        return shown.times is not None and any(v is not None for values in shown.times.values.values() for v in values.values())

    def figure(self, shown: Shown) -> go.Figure:
        assert shown.times is not None
        figure = strips(shown, shown.times, tag_free(shown.times.metric), log=False, unnumbered="never reached")
        steps = [v for values in shown.times.values.values() for v in values.values() if v is not None and math.isfinite(v)]
        top = max(steps, default=0)
        if top < FEW:  # of which Plotly would show halves, and steps below 0 where all are 0
            figure.layout.yaxis.update(range=[-0.05 * FEW, FEW], dtick=1)
        return figure
