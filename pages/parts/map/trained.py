"""A map whose cells are trained: the picture while it fills, what a cell says, and the runs behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from engine.runs.ending import ENDED
from engine.runs.sweep_file import Sweep, SweepUnreadable, read_sweep
from engine.search.figure import by_spot, name_of, sentence, svg
from engine.search.growth import strategy_of
from engine.search.lattice import Lattice
from engine.search.outcome import DELETED, Outcome, outcomes
from engine.search.sensitivity import sensitivities
from engine.search.strategies.map import Cell, Map
from engine.server.service import service
from pages.parts.own_component import own_component
from pages.parts.plain import code, plain
from pages.parts.prose import prose
from pages.parts.sweeps.group import current, order_button
from pages.parts.words import STATUS, title

EVERY = 2.0  # seconds between two looks while runs go on
LAID_OVER = 8  # runs on one run page

_mount = own_component("trained_map", "map/trained.js", style="map/trained.css")


def trained_map(named: str) -> None:
    """Draw the page of the map that a sweep is; what cannot be shown is said in one sentence."""
    try:
        sweep = read_sweep(service().data, named)
        if not isinstance(strategy_of(service().data, sweep), Map):
            raise ValueError("it is no map, but a sweep of another kind.")
    except KeyError:
        st.error(f"There is no sweep {code(named)}; it may have been deleted.", icon=":material/search_off:")
    except SweepUnreadable as error:
        st.error(plain(error), icon=":material/error:")
    except ValueError as error:
        st.error(f"The sweep {code(named)} cannot be shown as a map: {plain(error)}", icon=":material/error:")
    else:
        st.fragment(lambda: _shown(sweep), run_every=EVERY if _goes_on(sweep) else None)()
        return
    st.page_link("map.py", label="Make a map", icon=":material/blur_on:")


def _goes_on(sweep: Sweep) -> bool:
    return sweep.open or any(row["sweep"] == sweep.id and row["status"] not in ENDED for row in service().store.runs())


def _shown(sweep: Sweep) -> None:
    sweep = current(sweep)
    way = strategy_of(service().data, sweep)
    if not isinstance(way, Map):
        return
    results = outcomes(service().data, service().store, sweep, way.metric)
    cells = way.cells(results)
    _head(sweep, way, results)
    picture, beside = st.columns([1.6, 1], gap="large")
    with picture:
        spots = by_spot(cells)
        chosen = _picture(way.axes, cells, way.metric)
        st.caption("Choose a cell, also with the arrow keys and Enter, to see its runs. The heavy line is where half of the runs diverged.")
    with beside:
        _cell(spots.get(chosen), way.axes, way.metric, results)
        _sensitivity(way, results)


def _head(sweep: Sweep, way: Map, results: Sequence[Outcome]) -> None:
    with st.container(border=True):
        axes = " × ".join(code(axis.knob) for axis in way.axes)
        seeds = f"{len(sweep.seeds)} seeds" if len(sweep.seeds) != 1 else "1 seed"
        st.markdown(f"**{plain(title(sweep.preset or sweep.lab))}** by {plain(sweep.who)}: {axes} × {seeds}")
        gone = sum(one.status == DELETED for one in results)
        ended, of = sum(one.ended for one in results) - gone, len(results) - gone
        deleted = f" {gone} more {'was' if gone == 1 else 'were'} deleted." if gone else ""
        st.progress(ended / max(1, of), text=f"{ended} of {of} runs have ended.{deleted} {_state(sweep, ended < of)}")
        with st.container(horizontal=True, vertical_alignment="center"):
            st.page_link("runs.py", label="All its runs", icon=":material/table_rows:", query_params={"sweep": sweep.id})
            st.page_link("map.py", label="Make another map", icon=":material/blur_on:", query_params={"lab": sweep.lab})
            sweeps = service().sweeps
            order_button(
                "Stop", "stop", sweep.open or ended < of, lambda: sweeps.stop(sweep.id), "Nothing more follows; what trains is saved."
            )
            again = not sweep.open and ended == of and any(not one.counts for one in results)
            order_button("Go on", "refresh", again, lambda: sweeps.resume(sweep.id), "Tries again what was stopped, failed or deleted.")


def _state(sweep: Sweep, going: bool) -> str:
    why = str((sweep.map or {}).get("ended") or "")
    if why:
        return f"It is refined no further: {plain(why)}"
    if sweep.open:
        return "It is refined where neighbours disagree."
    return "Nothing more follows." if not going else "Nothing more follows once these have ended."


def _picture(axes: Sequence[Lattice], cells: Sequence[Cell], metric: str) -> str:
    """-> the name of the chosen cell, "" for none."""
    told = {name: sentence(cell, axes, metric) for name, cell in by_spot(cells).items()}
    theme = st.context.theme.type or "light"
    _mount(key="trained_map", data={"svg": svg(axes, cells, metric, theme), "cells": told, "count": len(axes)}, on_cell_change=_chosen)
    return st.query_params.get("cell", "").replace("-", " ")


def _chosen() -> None:
    """The address remembers the cell."""
    cell = (st.session_state.get("trained_map") or {}).get("cell")
    if isinstance(cell, str) and len(cell) <= 40:
        st.query_params["cell"] = cell.replace(" ", "-")


def _cell(cell: Cell | None, axes: Sequence[Lattice], metric: str, results: Sequence[Outcome]) -> None:
    st.markdown("### The chosen cell")
    if cell is None:
        st.markdown("Choose a cell of the map.")
        return
    st.markdown(plain(sentence(cell, axes, metric)))
    of = {one.run: one for one in results if one.run in cell.runs}
    for run, one in of.items():
        status = STATUS.get(one.status)
        value = "" if one.final is None else f", {metric} {_number(one.final)}"
        st.page_link(
            "run.py",
            label=f"seed {one.knobs.get('seed')}: {status.word if status else 'not made yet'}{value}",
            icon=":material/show_chart:",
            query_params={"run": str(run)},
        )
    runs = list(of)
    if 1 < len(runs) <= LAID_OVER:
        st.page_link(
            "run.py", label="All of them on one page", icon=":material/stacked_line_chart:", query_params={"run": ",".join(map(str, runs))}
        )
    st.caption(f"{code(name_of(cell, axes))}")


def _number(value: float) -> str:
    return "no number" if value != value else f"{value:.4g}"


def _sensitivity(way: Map, results: Sequence[Outcome]) -> None:
    x = way.axes[0]
    if x.scale != "log" or x.knob.rpartition(".")[2] not in ("lr", "lr_in", "lr_out") or not way.metric.startswith("loss/"):
        return
    rows: list[Mapping[str, Any]] = []
    for one in sensitivities(way.axes, results):
        middle = one.median
        ends = f"{min(one.values):.3g} to {max(one.values):.3g}" if len(one.values) > 1 else ""
        rows.append(
            {
                **{name: str(value) for name, value in one.line.items()},
                "sensitivity": None if middle is None else f"{middle:.3g}",
                "range": ends,
                "seeds": f"{len(one.values)} of {one.seeds}",
            }
        )
    if rows:
        st.markdown("### Learning-rate sensitivity")
        st.dataframe(rows, hide_index=True)
        ends = f"{x.values[0]:g} and {x.values[-1]:g}"
        st.caption(f"Over {len(x.first)} rates between {ends}, in units of {plain(way.metric)}; median over seeds and their range.")
        prose("map_sensitivity")
