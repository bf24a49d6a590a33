"""Schematics on a page: one drawing a run, side by side, moved in the browser, with a sentence each that says the same."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from engine.core.catalog import Broken
from engine.declare.knobs import unnest
from engine.labs.chart import RunStyle
from engine.labs.schematic import DRIVES, SPEED, STYLE, Readings, Schematic, schematics
from engine.runs.series import series_key
from engine.server.service import service
from pages.parts.charts.hub_scripts import HUB
from pages.parts.charts.prefix import prefix
from pages.parts.own_component import own_component
from pages.parts.plain import plain

_mount = own_component("schematic", *HUB, "charts/schematic.js", style="charts/schematic.css", more_style=STYLE.read_text("utf-8"))


def of_lab(lab: str) -> tuple[Schematic | None, list[Broken]]:
    """The schematic of a lab, None for one that has none and while the labs are still being read; and the files that cannot be read."""
    known = service().labs()
    good, bad = schematics(() if known["state"] == "computing" else known.get("schematics"))
    return next((one for one in good.values() if lab in one.labs), None), bad


def drawable(
    drawing: Schematic, run_styles: Sequence[RunStyle], specs: Sequence[Mapping[str, Any]], living: Sequence[str]
) -> list[RunStyle]:
    """The runs that it can draw, or will once they have read what it is made from."""
    knobs = {spec["run"]: unnest(spec["knobs"]) for spec in specs}
    able = [run for run in run_styles if all(run.has(need) for need in drawing.needs)]
    return [run for run in able if drawn_of(drawing, knobs[run.run], "", run) or (run.run in living and drawing.made_from)]


def schematic(
    drawing: Schematic, run_styles: Sequence[RunStyle], specs: Sequence[Mapping[str, Any]], layer: str, living: Sequence[str]
) -> None:
    """Mount the drawings of all runs that can be drawn."""
    knobs = {spec["run"]: unnest(spec["knobs"]) for spec in specs}
    layer = layer if drawing.layered else ""
    drawn = drawable(drawing, run_styles, specs, living)
    panes = [
        {"run": run.run, "label": run.label, "colour": run.colour, "svg": drawn_of(drawing, knobs[run.run], layer, run)} for run in drawn
    ]
    of_layers = {run.run: layer or (run.layers(need)[-1:] or [""])[0] for run in drawn for need in drawing.needs}
    metas = [{"run": run.run, "key": key, "kind": kind} for run in drawn for key, kind in _series(drawing, run, of_layers[run.run])]
    data = {"panes": panes, "metas": metas, "runs": [run.run for run in run_styles], "living": list(living), "prefix": prefix()}
    _mount(key="schematic", data=data | {"drives": dict(DRIVES), "speed": SPEED})


def drawn_of(drawing: Schematic, knobs: Mapping[str, Any], layer: str, run: RunStyle) -> str:
    """The drawing of one run; "" where its declaration lacks what it is made of, as that of an old run may."""
    with contextlib.suppress(KeyError, TypeError, ValueError):
        return drawing.svg(knobs, layer, first_readings(run, drawing))
    return ""


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


def sentences(drawing: Schematic, run_styles: Sequence[RunStyle], specs: Sequence[Mapping[str, Any]], layer: str, step: int | None) -> None:
    """What the drawings say in numbers, run by run, at the page's step."""
    knobs = {spec["run"]: unnest(spec["knobs"]) for spec in specs}
    layer = layer if drawing.layered else ""
    for run in run_styles:
        at, readings = readings_at(run, drawing, layer, step)
        said = ""
        with contextlib.suppress(KeyError, TypeError, ValueError):
            said = drawing.sentence(knobs[run.run], readings, layer)
        if said:
            st.caption(f"**{plain(run.label)}**, step {at:,}: {plain(said)}")


def readings_at(run: RunStyle, drawing: Schematic, layer: str, step: int | None) -> tuple[int, Readings]:
    """-> the newest step at or before `step` at which something was read, and the readings."""
    store, at, out = service().store, 0, dict(first_readings(run, drawing))
    for name in drawing.needs:
        of = layer or (run.layers(name)[-1:] or [""])[0]
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


def _series(drawing: Schematic, run: RunStyle, layer: str) -> list[tuple[str, str]]:
    """The keys under which the hub holds what moves a drawing, each with its kind."""
    out = []
    for name in drawing.needs:
        of = layer if layer and layer in run.layers(name) else ""
        out.append((series_key(name, of), "moment" if run.shape(name, of) else "line"))
    return out
