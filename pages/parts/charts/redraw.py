"""Charts that are made again on the server: from stored frames, at most once a second, and only when something new is stored."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go
import polars as pl
import streamlit as st

from engine.labs.chart import Chart, Events, Frames, RunStyle
from engine.runs.series import series_key
from engine.server.service import service
from pages.parts.plain import plain, plain_cells


def stored(chart: Chart, run_styles: Sequence[RunStyle], layer: str, upto: int | None = None) -> tuple[Frames, Events]:
    """What the index has of the series that the chart shows up to a step, run by run; nothing of a run that has none of them yet."""
    store = service().store
    frames, events = {}, {}
    for run_style in run_styles:
        known = {s["name"] for s in store.names(run_style.run) if not chart.layered or s["layer"] == layer}
        names = [series_key(need, layer if chart.layered else "") for need in (*chart.needs, *chart.also) if need in known]
        if names:
            frame = store.frame(run_style.run, names, newest=chart.newest, hi=upto)
            frames |= {run_style.run: frame} if upto is None or not frame.is_empty() else {}
        events[run_style.run] = store.events(run_style.run)
    return frames, events


def redrawn(
    name: str, chart: Chart, run_styles: Sequence[RunStyle], layer: str, theme: str, upto: int | None = None
) -> tuple[go.Figure, Frames]:
    """The figure of what is stored now, or was at a step; the one before as long as nothing is new."""
    frames, events = stored(chart, run_styles, layer, upto)
    here = [(run, frame.height, *frame.select(pl.col("step").max(), pl.col("t").max()).row(0)) for run, frame in frames.items()]
    of = (layer, theme, upto, tuple(run_styles), here, [(run, len(told)) for run, told in events.items()])
    memory: dict[str, Any] = st.session_state.setdefault("redrawn", {})
    before = memory.get(name)
    if before is None or before[0] != of:
        memory[name] = (of, chart.figure(run_styles, frames, events, layer))
    return memory[name][1], frames


def sentences(chart: Chart, run_styles: Sequence[RunStyle], frames: Frames) -> None:
    """What the chart says of each run, below it."""
    for run_style in run_styles:
        for sentence in chart.sentences(run_style, frames[run_style.run]) if run_style.run in frames else ():
            st.markdown(f"**{plain(run_style.label)}** {plain(sentence)}")


def tables(chart: Chart, run_styles: Sequence[RunStyle], frames: Frames, layer: str) -> None:
    """The same in words, folded, one table per run."""
    found = [(run_style, chart.table(run_style, frames[run_style.run], layer)) for run_style in run_styles if run_style.run in frames]
    found = [(run_style, table) for run_style, table in found if table is not None]
    if not found:
        return
    with st.expander("As a table", icon=":material/table_rows:"):
        for run_style, table in found:
            if len(found) > 1:
                st.markdown(f"**{plain(run_style.label)}**")
            st.table(plain_cells(table), hide_index=True, border="horizontal")
