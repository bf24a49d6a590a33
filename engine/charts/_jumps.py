"""What the charts of one-step and two-step samples share."""

from __future__ import annotations

import plotly.graph_objects as go

from engine.chart import Frames, RunLook
from engine.traces import line


def jumps(look: RunLook, frames: Frames, family: str) -> list[go.Scatter]:
    """`family`/one_step as filled circles and `family`/two_steps as open triangles."""
    one = {"symbol": "circle", "size": 6, "color": look.colour}
    two = {"symbol": "triangle-up-open", "size": 8, "color": look.colour, "line": {"width": 1.6}}
    return [
        *line(look, frames, f"{family}/one_step", name="one jump", width=2, marker=one, smooth=False, mode="lines+markers"),
        *line(look, frames, f"{family}/two_steps", name="two jumps", width=1, marker=two, smooth=False, mode="lines+markers"),
    ]
