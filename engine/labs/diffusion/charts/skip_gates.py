"""How far the gate of each long skip is open, and how much of the decoder's input came over it."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from engine.labs.chart import Chart, Events, Frames, RunStyle, blank
from engine.labs.common.charts._profile import odd_marks, profile
from engine.labs.common.profiles import newest


class SkipGates(Chart):
    """Mean gate of each skip with its smallest and largest value as bars, and the share of the skip as open circles."""

    title = "Gates and shares of the skips"
    about = (
        "What multiplies each long skip (line) and how the skip's part compares with that of the main path (open circles; at 1 "
        "both are equal), at the newest reading."
    )
    needs = ("skip_gate/mean", "skip_gate/min", "skip_gate/max", "skip_share")
    live = "redraw"
    newest = True
    order = 22

    def figure(self, runs: Sequence[RunStyle], frames: Frames, events: Events, layer: str = "") -> go.Figure:
        figure = blank(y_title="gate, share")
        for run_style in runs:
            mean, low, high, share = (newest(frames.get(run_style.run), name) for name in self.needs)
            error_bars = {
                "array": [h - m for h, m in zip(high, mean, strict=True)],
                "arrayminus": [m - v for v, m in zip(low, mean, strict=True)],
            }
            bars = {"type": "data", "symmetric": False, "thickness": 1, "width": 3, **error_bars}
            figure.add_trace(profile(run_style, "skip_gate/mean", range(1, len(mean) + 1), mean, "gate", error_y=bars))
            ring = {"symbol": "circle-open" if run_style.dash == "solid" else "square-open", "size": 8, "line": {"width": 2}}
            thin = {"color": run_style.colour, "width": 0.8, "dash": run_style.dash}
            figure.add_trace(profile(run_style, "skip_share", range(1, len(share) + 1), share, "share", marker=ring, line=thin))
        odd_marks(figure)
        figure.update_layout(xaxis={"title": {"text": "skip: 1 outermost"}, "autorange": "reversed"})
        figure.update_yaxes(rangemode="tozero", selector={"overlaying": None})
        return figure
