"""One knob as a field, with or without slider, and one question with its answers: the only renderer of both."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

import streamlit as st

from engine.declare.bounds import allowed, closed
from engine.declare.revise import written
from pages.parts.knobs.stops import even_step, geometric
from pages.parts.words import number, title

Spec = Mapping[str, Any]

NOT_SET = "the same as seed"


def field(spec: Spec, name: str, shown: Any, key: str, *, slider: bool = False, disabled: bool = False) -> Any:
    """Draw the knob `name` with the value `shown` -> what stands in it: typed by a slider, a switch or a choice, else text.

    `slider`: a number with both ends gets one; `shown` must then be within them.  `disabled`: a choice that makes no difference now.
    """
    text, tip = label(spec, name), hint(spec)
    if spec["kind"] == "option":
        options = [choice["name"] for choice in spec["choices"]]
        default = shown if shown in options else spec["default"]
        return st.segmented_control(text, options, default=default, required=True, key=key, help=tip, disabled=disabled)
    if spec["kind"] == "bool":
        return st.toggle(text, value=str(shown).lower() == "true", key=key, help=tip)
    if slider and closed(spec):
        return _slider(spec, text, shown, key, tip)
    return st.text_input(text, written(shown), key=key, help=tip, placeholder=NOT_SET if spec["default"] is None else "")


def question(spec: Spec, name: str, shown: Any, key: str) -> Mapping[str, Any]:
    """Draw the answers of a question to choose from -> the chosen one; an answer that is not there shows the default."""
    names = [choice["name"] for choice in spec["choices"]]
    index = names.index(shown if shown in names else spec["default"])
    chosen = st.selectbox(label(spec, name), names, index=index, format_func=title, key=key)
    return next(choice for choice in spec["choices"] if choice["name"] == chosen)


def label(spec: Spec, name: str) -> str:
    """Name, sentence, and the unit where neither says it; plain text, for it is also the field's accessible name."""
    unit = spec["unit"]
    said = not unit or unit == spec["name"] or re.search(rf"(?<!\w){re.escape(unit)}(?!\w)", spec["about"])
    return f"{name}: {spec['about']}" + ("" if said else f" ({unit})")


def hint(spec: Spec) -> str | None:
    """The tooltip: what may be typed, whose value it is, and the usual one; of a switch or a choice only its source."""
    message = [spec["source"]] if spec["source"] else []
    if spec["kind"] in ("int", "float"):
        message.insert(0, allowed(spec))
    if spec["kind"] not in ("bool", "option") and spec["default"] not in (None, ""):
        message.append(f"usually {written(spec['default'])}")
    sentence = "; ".join(message)
    return f"{sentence[0].upper()}{sentence[1:]}." if sentence else None


def _slider(spec: Spec, text: str, shown: Any, key: str, tip: str | None) -> Any:
    stops = geometric(spec)
    if stops:
        style = number if spec["kind"] == "float" else "{:,}".format
        return st.select_slider(text, sorted({*stops, shown}), value=shown, format_func=style, key=key, help=tip)
    step = even_step(spec)
    low, high = (type(step)(spec[end]) for end in ("min", "max"))
    style = None if spec["kind"] == "int" else f"%.{max(0, -math.floor(math.log10(step)))}f"
    return st.slider(text, low, high, type(step)(shown), step, format=style, key=key, help=tip)
