"""One field for a knob: the form of a lab and the sliders of a panel call it the same and say the same of it."""

from __future__ import annotations

from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from pages.parts.knobs.field import hint, label

BLANK = {"name": "it", "choices": [], "min": None, "max": None, "unit": "", "source": "the paper", "about": "what it is", "default": 1}
TEXT, SLIDER, SCALE, SWITCH, PILLS = "text_input", "slider", "select_slider", "toggle", "segmented_control"
KINDS: dict[str, tuple[dict[str, Any], str, Any, str, Any]] = {  # the knob; widget and value of the form; those of a panel
    "whole": (BLANK | {"kind": "int", "min": 1, "max": 9, "unit": "steps", "default": 3}, TEXT, "3", SLIDER, 3),
    "even": (BLANK | {"kind": "float", "min": 0, "max": 1, "default": 0.25}, TEXT, "0.25", SLIDER, 0.25),
    "wide": (BLANK | {"kind": "float", "min": 1e-6, "max": 1, "default": 1e-3}, TEXT, "0.001", SCALE, 0.001),
    "half open": (BLANK | {"kind": "float", "min": 0, "default": 2.0}, TEXT, "2", TEXT, "2"),
    "text": (BLANK | {"kind": "str", "default": "auto"}, TEXT, "auto", TEXT, "auto"),
    "switch": (BLANK | {"kind": "bool", "default": True}, SWITCH, True, SWITCH, True),
    "choice": (
        BLANK | {"kind": "option", "choices": [{"name": "fp32"}, {"name": "bf16"}], "default": "bf16"},
        PILLS,
        "bf16",
        PILLS,
        "bf16",
    ),
}


def both(spec: dict[str, object]) -> None:
    """A page with the knob twice; it is run as text, so it imports what it needs."""
    import streamlit as st

    from pages.parts.knobs.field import field

    st.session_state["drawn"] = [field(spec, "a.it", spec["default"], key, slider=key == "panel") for key in ("form", "panel")]


@pytest.mark.parametrize("kind", KINDS)
def test_form_and_panel_draw_a_knob_with_the_same_words(kind: str) -> None:
    spec, plain, typed, moving, moved = KINDS[kind]
    test = AppTest.from_function(both, kwargs={"spec": spec}).run()
    assert not test.exception
    drawn = [next(w for w in test.get(widget) if w.key == key) for widget, key in ((plain, "form"), (moving, "panel"))]
    assert {w.label for w in drawn} == {label(spec, "a.it")}
    assert {w.help or None for w in drawn} == {hint(spec)}
    assert test.session_state["drawn"] == [typed, moved]
