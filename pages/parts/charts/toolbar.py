"""The switches above the charts.  Their state lives in the address, so that a link shows the same picture to somebody else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

AXES = {"log": "log", "linear": "linear"}
TIMES = {"step": "step", "time": "time"}


def toolbar(layers: Sequence[str], *, living: bool, layer: str = "") -> dict[str, Any]:
    """-> {"axis", "x", "smoothing", "layer", "paused"}; `layer` is the one that is chosen at first."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium", key="toolbar"):
        axis = st.segmented_control(
            "Loss and norms", list(AXES), default="log", required=True, format_func=AXES.get, key="axis", bind="query-params"
        )
        x = st.segmented_control(
            "Horizontal axis", list(TIMES), default="step", required=True, format_func=TIMES.get, key="x", bind="query-params"
        )
        chosen = ""
        if layers:
            first = list(layers).index(layer) if layer in layers else 0
            message = "Charts of experts show one layer at a time."
            chosen = st.selectbox("Layer", layers, first, key="layer", bind="query-params", width=190, help=message)
        smoothing = st.slider(
            "Smoothing",
            0.0,
            0.99,
            0.0,
            0.01,
            key="smoothing",
            bind="query-params",
            width=190,
            help="Running average over steps. The raw line stays visible, and marks of spikes stay at their raw height.",
        )
        paused = living and st.toggle("Pause the view", key="paused", help="The training goes on; only the charts stand still.")
    return {"axis": axis or "log", "x": x or "step", "smoothing": float(smoothing), "layer": chosen or "", "paused": bool(paused)}
