"""The panels of a lab: sliders beside a figure that follows them at once, without a run."""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from typing import Any

import streamlit as st

from engine.core.catalog import Catalog
from engine.declare.knobs import Flat, nest
from engine.declare.resolve import KnobError
from engine.labs.panel import Frames, Panel, panel
from engine.labs.panel_frames import odd_values
from engine.server.panels import PanelError
from engine.server.service import service
from pages.parts.charts.still_chart import still_chart
from pages.parts.knobs.sliders import sliders
from pages.parts.knobs.texts import formula, reading
from pages.parts.plain import code, plain

PanelJson = Mapping[str, Any]


@st.fragment
def panel_card(panel_json: PanelJson) -> None:
    """One panel: its text, a slider for each knob, and the figure of where they stand."""
    name = panel_json["name"]
    with st.container(border=True):
        st.markdown(f"### {panel_json['title']}")
        st.markdown(panel_json["about"], width=900)
        with st.container(key=f"panel_{name}"):
            side, place = st.columns([1, 2], gap="large")
            with side:
                flat = sliders(panel_json["knobs"], f"panel:{name}")
            with place:
                _figure(panel_json, flat)
        with st.expander("Formula and source", icon=":material/function:"):
            formula(panel_json["formula"])
            if panel_json["paper"]:
                st.caption(f"**Paper.** {panel_json['paper']}")
            st.markdown(f":small[**Formula from:** {reading(panel_json['reading'])}]")


def _figure(panel_json: PanelJson, flat: Flat) -> None:
    name = panel_json["name"]
    try:
        frames = service().panel(name, flat)
    except KnobError as error:
        st.warning(plain(error), icon=":material/tune:")
    except PanelError as error:
        (st.error if error.trace else st.warning)(plain(error), icon=":material/error:" if error.trace else ":material/tune:")
        _trace(error.trace)
    else:
        _draw(panel_json, flat, frames)


def _draw(panel_json: PanelJson, flat: Flat, frames: Frames) -> None:
    name = panel_json["name"]
    questions = {spec["name"] for spec in panel_json["knobs"] if spec["kind"] == "question"}
    try:
        made = panel(name).model_validate(nest(flat, questions))
        sentence, figure = made.sentence(frames), made.figure(frames)
    except Exception as error:  # a newcomer's figure may raise anything; the other panels stay
        file = Catalog("panels", Panel).file(name)
        st.error(f"The figure of {code(file)} could not be drawn: {type(error).__name__}: {plain(error)}", icon=":material/error:")
        _trace(traceback.format_exc())
        return
    still_chart(f"chart_{name}", figure, f"{panel_json['title']}. {sentence}")
    if sentence:
        st.markdown(sentence)
    odd = odd_values(frames)
    if odd:
        counted = ", ".join(f"{count} of {code(where)}" for where, count in odd.items())
        st.caption(f":material/warning: Not finite, marked at the edge where they are drawn: {counted}.")


def _trace(text: str) -> None:
    if text:
        with st.expander("What Python said"):
            st.code(text, language=None, wrap_lines=True)
