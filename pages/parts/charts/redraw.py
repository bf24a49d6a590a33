"""Charts that are made again on the server: from stored frames, at most once a second, and only when something new is stored."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go
import polars as pl
import streamlit as st

from engine.labs.chart import Chart, Events, Frames, RunLook
from engine.runs.series import series_key
from engine.server.service import service


def stored(chart: Chart, looks: Sequence[RunLook], layer: str) -> tuple[Frames, Events]:
    """What the index has of the series that the chart needs, run by run; nothing of a run that has none of them yet."""
    store = service().store
    frames, events = {}, {}
    for look in looks:
        known = {s["name"] for s in store.names(look.run) if not chart.layered or s["layer"] == layer}
        names = [series_key(need, layer if chart.layered else "") for need in chart.needs if need in known]
        if names:
            frames[look.run] = store.frame(look.run, names, newest=chart.newest)
        events[look.run] = store.events(look.run)
    return frames, events


def redrawn(name: str, chart: Chart, looks: Sequence[RunLook], layer: str, theme: str) -> tuple[go.Figure, Frames]:
    """The figure of what is stored now; the one before as long as nothing is new."""
    frames, events = stored(chart, looks, layer)
    here = [(run, frame.height, *frame.select(pl.col("step").max(), pl.col("t").max()).row(0)) for run, frame in frames.items()]
    of = (layer, theme, tuple(looks), here, [(run, len(told)) for run, told in events.items()])
    memory: dict[str, Any] = st.session_state.setdefault("redrawn", {})
    before = memory.get(name)
    if before is None or before[0] != of:
        memory[name] = (of, chart.figure(looks, frames, events, layer))
    return memory[name][1], frames


def tables(chart: Chart, looks: Sequence[RunLook], frames: Frames, layer: str) -> None:
    """The same in words, folded, one table per run."""
    found = [(look, chart.table(look, frames[look.run], layer)) for look in looks if look.run in frames]
    found = [(look, table) for look, table in found if table is not None]
    if not found:
        return
    with st.expander("As a table", icon=":material/table_rows:"):
        for look, table in found:
            if len(found) > 1:
                st.markdown(f"**{look.label}**")
            st.table(table, hide_index=True, border="horizontal")
