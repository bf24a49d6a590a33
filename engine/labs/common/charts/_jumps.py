"""What the charts of samples share: how pictures and points drawn in one jump, in two or by a sampler are told apart."""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go

from engine.labs.chart import Frames, RunStyle
from engine.labs.common.traces import line


def jumps(run_style: RunStyle, frames: Frames, family: str) -> list[go.Scatter]:
    """`family`/one_step as filled circles and `family`/two_steps as open triangles."""
    one: dict[str, Any] = {"symbol": "circle", "size": 6, "color": run_style.colour}
    two: dict[str, Any] = {"symbol": "triangle-up-open", "size": 8, "color": run_style.colour, "line": {"width": 1.6}}
    return [
        *line(run_style, frames, f"{family}/one_step", name="one jump", width=2, marker=one, smooth=False, mode="lines+markers"),
        *line(run_style, frames, f"{family}/two_steps", name="two jumps", width=1, marker=two, smooth=False, mode="lines+markers"),
    ]


def own_flow(run_style: RunStyle, frames: Frames, family: str) -> list[go.Scatter]:
    """`family`/own_flow as open squares, for a run that learns a velocity."""
    square: dict[str, Any] = {"symbol": "square-open", "size": 8, "color": run_style.colour, "line": {"width": 1.6}}
    style: dict[str, Any] = {"width": 1, "marker": square, "smooth": False, "mode": "lines+markers"}
    return line(run_style, frames, f"{family}/own_flow", name="own flow, 40 steps", **style) if run_style.has(f"{family}/own_flow") else []


def ways(run_style: RunStyle, frames: Frames, family: str) -> list[go.Scatter]:
    """`jumps` for a run that makes its samples so, `family`/samples as filled circles for one that has a sampler."""
    if not run_style.has(f"{family}/samples"):
        return [*jumps(run_style, frames, family), *own_flow(run_style, frames, family)] if run_style.has(f"{family}/one_step") else []
    dot: dict[str, Any] = {"symbol": "circle", "size": 6, "color": run_style.colour}
    return line(run_style, frames, f"{family}/samples", width=2, marker=dot, smooth=False, mode="lines+markers")
