"""A pointer on the deciding chart: a thin line and a word at the step where it happens, one for each run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from engine.labs.chart import RunStyle

BEHIND = {"light": "rgba(255,255,255,0.85)", "dark": "rgba(17,21,26,0.85)"}  # the words lie over curves
HEIGHTS = (0.97, 0.84, 0.71, 0.58)  # of the words, in parts of the panel: two runs may break at the same step


def point(figure: go.Figure, run_styles: Sequence[RunStyle], steps: Mapping[str, int | None], theme: str) -> go.Figure:
    """Mark the steps (by run) on the steps axis of `figure`, in the colour of each run."""
    shown = [(run_style, step) for run_style in run_styles if (step := steps.get(run_style.run)) is not None]
    for n, (run_style, step) in enumerate(shown[: len(HEIGHTS)]):
        figure.add_shape(
            type="line", x0=step, x1=step, yref="paper", y0=0, y1=1, line={"color": run_style.colour, "width": 1.5, "dash": "dot"}
        )
        figure.add_annotation(
            x=step,
            y=HEIGHTS[n],
            yref="paper",
            text=f"step {step:,}",
            showarrow=True,
            arrowhead=2,
            arrowcolor=run_style.colour,
            ax=46,
            ay=0,
            xanchor="left",
            font={"color": run_style.colour},
            bgcolor=BEHIND.get(theme, BEHIND["light"]),
        )
    return figure
