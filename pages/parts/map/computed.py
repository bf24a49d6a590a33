"""The map whose cells are computed at once: which pairs of two numbers train a small network; a chosen cell opens as a run.

The address carries the view.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from engine.declare.resolve import KnobError, typed
from engine.declare.revise import written
from engine.labs.dynamics.models.view import tile_side
from pages.parts.cards import leave, start
from pages.parts.knobs.field import field
from pages.parts.knobs.texts import formula, reading
from pages.parts.map.map import enter_map
from pages.parts.needed_panels import needed_panels
from pages.parts.plain import plain
from pages.parts.prose import prose

PANEL, CURVE, EDGE, LAB = "trainability_map", "trainability_curve", "trainability_edge", "trainability"
AXES = ("x", "y")
SHARED = ("depth", "width", "steps", "warmup", "lr", "seed")  # of every cell, beside what the axes leave


def computed_map() -> None:
    """Draw the page below its title."""
    panels = needed_panels("map", PANEL, CURVE, EDGE)
    specs = {spec["name"]: spec for spec in panels[PANEL]["knobs"]}
    arrives = "map:depth" not in st.session_state  # the address is as it was given
    prose("map")

    def field_of(name: str) -> Any:
        return _drawn(specs[name], name, arrives)

    stage, side = st.columns([2.7, 1], gap="large")  # on a narrow screen the map comes first
    with side:
        x, y = (field_of(name) for name in AXES)
        if x == y:
            y = next(choice["name"] for choice in specs["y"]["choices"] if choice["name"] != x)
            st.warning(f"Both axes were {x}; upwards is {y} now.", icon=":material/swap_vert:")
        knobs = {name: field_of(name) for name in SHARED}
        with st.expander("What the axes leave"):
            knobs |= {choice["name"]: field_of(choice["name"]) for choice in specs["x"]["choices"] if choice["name"] not in (x, y)}
    address = [(name, str(value)) for name, value in (("x", x), ("y", y)) if value != specs[name]["default"]]
    address += [(name, written(value)) for name, value in knobs.items() if value != specs[name]["default"]]

    with stage, st.form("cell", border=False):
        side_of_tile = tile_side(knobs["width"], knobs["depth"], knobs["steps"])
        cell = enter_map((PANEL, CURVE, EDGE), (x, y), knobs, side_of_tile, address, st.context.theme.type or "light")
        pressed = st.form_submit_button("Train this cell", icon=":material/play_arrow:")
        st.caption("A run of the lab trainability with exactly the numbers of the chosen cell: its last value has the bits of the cell.")
    if pressed:
        if not cell:
            stage.warning("Choose a cell of the map first, and press again.", icon=":material/ads_click:")
            st.stop()
        started, message = start(LAB, None, False, cell)
        leave(started)
        stage.error(plain(message), icon=":material/error:")

    formula(panels[PANEL]["formula"])
    st.caption(f"**Paper.** {panels[PANEL]['paper']}")
    formula(panels[EDGE]["formula"])
    st.caption(f"**The dashed line.** {panels[EDGE]['about']} {panels[EDGE]['paper']}")
    st.markdown(f":small[**Formula from:** {reading(panels[PANEL]['reading'])}]")


def _drawn(spec: Mapping[str, Any], name: str, arrives: bool) -> Any:
    """A field with what the address says when the page is new -> its value, or the usual one beside a sentence where that cannot be."""
    try:
        shown = typed(spec, name, st.query_params.get(name, spec["default"]))
    except KnobError as error:
        shown = spec["default"]
        if arrives:
            st.error(plain(error), icon=":material/error:")
    try:
        return typed(spec, name, field(spec, name, shown, f"map:{name}"))
    except KnobError as error:
        st.error(plain(error), icon=":material/error:")
        return spec["default"]
