"""Where in a sequence the tokens stand that no expert takes."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from engine.labs.chart import Chart, Events, Frames, RunStyle, blank
from engine.labs.common.charts._profile import odd_marks, profile
from engine.labs.common.profiles import newest

METRIC = "router/dropped_by_position"


class DropsByPosition(Chart):
    """The share of dropped tokens by eighths of a sequence, at the newest reading."""

    title = "Who comes too late"
    about = "The share of the newest read batch's tokens that no expert takes, by eighths of the sequence from its begin to its end."
    needs = (METRIC,)
    layered = True
    live = "redraw"
    newest = True
    order = 54

    def figure(self, runs: Sequence[RunStyle], frames: Frames, events: Events, layer: str = "") -> go.Figure:
        figure = blank(y_title="share of tokens")
        for run_style in runs:
            drawn = newest(frames.get(run_style.run), METRIC, layer)
            figure.add_trace(profile(run_style, METRIC, range(1, len(drawn) + 1), drawn))
        odd_marks(figure)
        figure.update_layout(xaxis={"title": {"text": "eighth of the sequence"}, "dtick": 1})
        return figure
