"""Schematics on a page: one drawing a run, side by side, moved in the browser, with a sentence each that says the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from engine.declare.knobs import unnest
from engine.labs.chart import RunStyle
from engine.labs.schematic import DRIVES, SPEED, STYLE, Readings, Schematic, drawn, said
from engine.runs.series import series_key
from engine.server.service import service
from pages.parts.charts.hub_scripts import HUB
from pages.parts.charts.prefix import prefix
from pages.parts.own_component import own_component
from pages.parts.plain import plain

_mount = own_component("schematic", *HUB, "charts/schematic.js", style="charts/schematic.css", more_style=STYLE.read_text("utf-8"))


@dataclass(frozen=True)
class Pane:
    """One run with its drawing, "" while it has not read yet what that is made from; its flat knobs, and the layer that it shows."""

    run: RunStyle
    svg: str
    knobs: Mapping[str, Any]
    layer: str
    first: Readings


def panes_of(
    drawing: Schematic, runs: Sequence[RunStyle], specs: Sequence[Mapping[str, Any]], layer: str, living: Sequence[str]
) -> list[Pane]:
    """The runs that it can draw, or will once they have read what it is made from; each is drawn once a run of the page."""
    knobs = {spec["run"]: unnest(spec["knobs"]) for spec in specs}
    layer = layer if drawing.layered else ""
    out = []
    for run in runs:
        if not all(run.has(need) for need in drawing.needs):
            continue
        first = first_readings(run, drawing)
        svg = drawn(drawing, knobs[run.run], layer, first)
        if svg or (run.run in living and drawing.made_from):
            out.append(Pane(run, svg, knobs[run.run], layer, first))
    return out


def schematic(drawing: Schematic, panes: Sequence[Pane], runs: Sequence[RunStyle], living: Sequence[str]) -> None:
    """Mount the drawings; `runs` are all runs of the page."""
    shown = [{"run": one.run.run, "label": one.run.label, "colour": one.run.colour, "svg": one.svg} for one in panes]
    metas = [{"run": one.run.run, "key": key, "kind": kind} for one in panes for key, kind in _series(drawing, one)]
    data = {"panes": shown, "metas": metas, "runs": [run.run for run in runs], "living": list(living), "prefix": prefix()}
    _mount(key="schematic", data=data | {"drives": dict(DRIVES), "speed": SPEED})


def first_readings(run: RunStyle, drawing: Schematic) -> Readings:
    """The first readings of what decides a drawing itself."""
    store, out = service().store, {}
    for name in drawing.made_from:
        if run.shape(name):
            rows = store.vectors(run.run, name, rows=1)
            out |= {name: [float(v) for v in rows["v"][0]]} if rows["v"] else {}
        elif run.has(name):
            series = store.many([(run.run, name, "")], points=2)[0]
            out |= {name: float(series["values"][0])} if series["values"] else {}
    return out


def sentences(drawing: Schematic, panes: Sequence[Pane], step: int | None) -> None:
    """What the drawings say in numbers, run by run, at the page's step."""
    for one in panes:
        at, readings = readings_at(one, drawing, step)
        sentence = said(drawing, one.knobs, readings, one.layer)
        if sentence:
            st.caption(f"**{plain(one.run.label)}**, step {at:,}: {plain(sentence)}")


def readings_at(pane: Pane, drawing: Schematic, step: int | None) -> tuple[int, Readings]:
    """-> the newest step at or before `step` at which something was read, and the readings."""
    store, run, at, out = service().store, pane.run, 0, dict(pane.first)
    for name in drawing.needs:
        of = _layer(pane, name)
        if run.shape(name, of):
            rows = store.vectors(run.run, name, of, hi=step, rows=1)
            if rows["v"]:
                at, out[series_key(name, of)] = max(at, rows["steps"][-1]), [float(v) for v in rows["v"][-1]]
        elif run.has(name):
            series = store.many([(run.run, name, of)], hi=step, points=2)[0]
            ends = [(series["steps"][-1], series["values"][-1])] if series["values"] else []
            ends += [(one[0], float(one[2])) for one in series["nonfinite"][-1:]]
            if ends:
                last, out[series_key(name, of)] = max(ends)
                at = max(at, last)
    return at, out


def _layer(pane: Pane, name: str) -> str:
    """The layer of a series that a pane shows: the one that was chosen, else the last."""
    return pane.layer or (pane.run.layers(name)[-1:] or [""])[0]


def _series(drawing: Schematic, pane: Pane) -> list[tuple[str, str]]:
    """The keys under which the hub holds what moves a drawing, each with its kind."""
    out = []
    for name in drawing.needs:
        of = _layer(pane, name) if _layer(pane, name) in pane.run.layers(name) else ""
        out.append((series_key(name, of), "moment" if pane.run.shape(name, of) else "line"))
    return out
