"""The form of a map whose cells are trained: its axes, seeds and metric, and what it comes to before anything starts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from engine.declare.resolve import KnobError, read_knobs
from engine.declare.revise import map_command
from engine.runs.sweep_file import SweepUnreadable
from engine.scheduler.control import Refused
from engine.search.lattice import FIRST, MOST_FIRST, REFINE
from engine.server.service import service
from engine.server.sweeps import MapPreview
from pages.parts.plain import plain
from pages.parts.prose import prose
from pages.parts.sweeps.form import idle, specs_of_all
from pages.parts.who import who

NONE = "none"
SEEDS = 3
LEFT_OUT = ("seed", "data_seed", "device", "threads", "probes", "who")
USUAL = {"lr": "1e-4..1"}


def map_form(lab: Mapping[str, Any]) -> None:
    """Draw it; a press makes the map and goes to its page."""
    prose("map_trained")
    key = f"map:{lab['lab']}"
    specs = {name: spec for name, spec in specs_of_all(lab) if name not in LEFT_OUT and not idle(name)}
    numbers = [name for name, spec in specs.items() if spec["kind"] in ("int", "float")]
    with st.grid(min_column_width=250, gap="medium"):
        preset = st.selectbox(
            "Preset", [None, *lab["presets"]], format_func=lambda name: name or "none: every knob as usual", key=f"{key}:preset"
        )
        x = st.selectbox("To the right", numbers, index=numbers.index("lr") if "lr" in numbers else 0, key=f"{key}:x")
        x_values = st.text_input(
            f"Range of {x}", USUAL.get(x, _range(specs[x])), key=f"{key}:range:{x}", help="Both ends, such as 1e-4..1."
        )
        others = [name for name in specs if name != x]
        y = st.selectbox("Upwards", others, index=_usual(others, specs), key=f"{key}:y")
        y_values = _values(specs[y], y, f"{key}:y", ranges=True)
        third = st.selectbox("A map for each value of", [NONE, *(name for name in others if name != y)], key=f"{key}:z")
        z_values = _values(specs[third], third, f"{key}:z", ranges=False) if third != NONE else ""
        seeds = int(st.number_input("× seeds", 1, 32, SEEDS, key=f"{key}:seeds", help="Each cell is trained with so many seeds."))
    given: dict[str, Any] = {x: x_values.strip(), y: y_values}
    if third != NONE:
        given[third] = z_values
    given["seed"] = f"0..{seeds - 1}" if seeds > 1 else "0"
    how = _how(key)
    if how is None or not all(given.values()):
        st.markdown("Give each axis its values.") if how is not None else None
        return
    fixed = st.text_input(
        "Other knobs", "", key=f"{key}:fixed", placeholder="steps=100 batch_size=32", help="KNOB=VALUE, with blanks between."
    )
    try:
        more = read_knobs(fixed.split())
        if twice := [name for name in more if name in given]:
            raise KnobError(f"{', '.join(twice)} stands above and in Other knobs, so which one counts? Take it out of Other knobs.")
        given |= more
        preview = service().sweeps.preview_map(lab["lab"], preset, given, **how)
    except KnobError as error:
        st.error(plain(error), icon=":material/error:")
        return
    first, *rest = preview.sentences
    st.markdown(f":material/timer: **{plain(first)}**" + "".join(f"  \n{plain(sentence)}" for sentence in rest))
    _launch(preview, lab["lab"], preset, given, how, key)


def _how(key: str) -> dict[str, Any] | None:
    """Metric, level and fineness; None where one of them cannot be, which is said."""
    with st.expander("Metric and fineness"), st.grid(min_column_width=220, gap="medium"):
        metric = st.text_input("Metric", "loss/train", key=f"{key}:metric", help="NAME or NAME@LAYER, the last value of each run.").strip()
        level = st.text_input("Level", "", key=f"{key}:level", help="Refines also where the metric crosses it.").strip()
        first = int(st.number_input("Values of a range at first", 2, MOST_FIRST, FIRST, key=f"{key}:first"))
        refine = int(
            st.number_input("Refinements", 0, 5, REFINE, key=f"{key}:refine", help="How often cells on the boundary are cut in half.")
        )
    try:
        return {"metric": metric or "loss/train", "level": float(level) if level else None, "first": first, "refine": refine}
    except ValueError:
        st.error(f"The level {plain(level)} is no number; give one such as 0.5, or leave it empty.", icon=":material/error:")
        return None


def _values(spec: Mapping[str, Any], name: str, key: str, *, ranges: bool) -> str:
    if spec["kind"] in ("question", "option"):
        options = [choice["name"] for choice in spec["choices"]]
        return ",".join(st.multiselect(f"Values of {name}", options, default=options[:4], key=f"{key}:{name}"))
    usual = _range(spec) if ranges and spec["kind"] in ("int", "float") else ""
    return st.text_input(
        f"Values of {name}", usual, key=f"{key}:{name}", help="A range such as 0..1, or values with commas between."
    ).strip()


def _range(spec: Mapping[str, Any]) -> str:
    """From a tenth of what is usual to ten times as much, within the bounds."""
    usual = spec["default"]
    if not isinstance(usual, int | float) or isinstance(usual, bool) or usual <= 0:
        return ""
    low, high = usual / 10, usual * 10
    low, high = max(low, spec["min"] if spec["min"] is not None else low), min(high, spec["max"] if spec["max"] is not None else high)
    return f"{max(1, round(low))}..{round(high)}" if spec["kind"] == "int" else f"{low:g}..{high:g}"


def _usual(names: list[str], specs: Mapping[str, Mapping[str, Any]]) -> int:
    """The first question of the lab, whose answers are what one compares."""
    return next((n for n, name in enumerate(names) if specs[name]["kind"] == "question" and name != "optimizer"), 0)


def _launch(preview: MapPreview, lab: str, preset: str | None, given: Mapping[str, Any], how: Mapping[str, Any], key: str) -> None:
    label = f"Train {preview.new} runs" if preview.new != 1 else "Train 1 run"
    if st.button(label if preview.new else "Show the map", icon=":material/play_arrow:", type="primary", key=f"{key}:launch"):
        try:
            sweep = service().sweeps.launch_map(preview, who())
        except (KnobError, Refused, SweepUnreadable, OSError) as error:
            st.error(f"Nothing was started. {plain(error)}", icon=":material/error:")
        else:
            st.query_params.from_dict({"sweep": sweep})
            st.rerun()
    st.code(map_command(lab, preset, given, how), language="bash", wrap_lines=True)
