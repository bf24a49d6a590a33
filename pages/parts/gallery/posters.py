"""The poster of a preset: which recorded arms belong on it, what each is called, and the axis of the chart that it names."""

from __future__ import annotations

import functools
import re
from collections.abc import Container, Mapping
from html import escape
from pathlib import Path
from typing import Any

import streamlit as st

from engine.declare.knobs import differing
from engine.declare.records import MEASURED, recorded
from engine.labs.chart import charts
from engine.runs.series import split_key
from pages.parts.gallery.curves import Arm, Role, arm_of, ending, of_seeds, svg
from pages.parts.words import knob_value, title

LabJson = Mapping[str, Any]
Preset = Mapping[str, Any]

STYLE = Path(__file__).parent / "gallery.css"
DERIVED = ("broken", "small", "arm")  # links of presets that have no card of their own
ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth")
NOTHING = "Not recorded yet: there is no curve to show before you run it."


def style() -> None:
    """What the posters of this page look like; once a page."""
    st.html(STYLE)


def shown_presets(lab: LabJson) -> dict[str, Preset]:
    """The presets of a lab that have a card, in the order of its file."""
    return {name: preset for name, preset in lab["presets"].items() if not any(preset.get(link) for link in DERIVED)}


def arms_of_preset(lab: LabJson, name: str) -> list[str]:
    """The presets that one card compares: the arms of a ladder, a preset and its twin, or it alone."""
    preset = lab["presets"][name]
    ladder = [other for other, one in lab["presets"].items() if one.get("arm") == name]
    return ladder or [name, *([preset["twin"]] if preset["twin"] else [])]


def labels(lab: LabJson, names: list[str]) -> dict[str, str]:
    """What tells arms apart: the first knob in which they differ, with its value."""
    defaults = {spec["name"]: spec["default"] for spec in lab["knobs"]}
    knobs = {name: {**defaults, **lab["presets"][name]["knobs"]} for name in names}
    apart = differing(list(knobs.values()))
    inside = {spec["name"] for spec in lab["knobs"]}
    knob = next((one for one in apart if one in inside and one != "steps"), next(iter(apart), None))
    if knob is None:
        return {name: title(name) for name in names}
    plain = knob.rpartition(".")[2].replace("_", " ")
    return {name: f"{plain} {_value(knobs[name].get(knob))}" for name in names}


def _value(value: Any) -> str:
    return value.replace("_", " ") if isinstance(value, str) else knob_value(value)


def poster(lab: LabJson, name: str, only: Container[str] | None = None, folder: Path = MEASURED) -> str:
    """The picture of a preset with its key as HTML, "" where nothing was recorded.  `only`: charts that may be imported."""
    preset = lab["presets"][name]
    names = arms_of_preset(lab, name)
    named = labels(lab, names) if len(names) > 1 else {name: title(name)}
    roles = _roles(preset, names)
    arms = [arm_of(recorded(lab, one, folder) or {}, named[one], roles[one]) for one in names]
    heading, log = axis(preset, only)
    drawing = svg(arms, heading, log=log, level=preset.get("level"))
    if not drawing:
        return ""
    most = max(len(arm.curves) for arm in arms)
    seeds = f"{of_seeds(most)}, thick: first" if most > 1 else f"recorded, {of_seeds(most)}"
    level = preset.get("level")
    side = "below" if (preset.get("decides") or {}).get("direction") == "down" else "above"
    rule = "" if level is None else f"; {side} the grey line, {level:g}, it counts as broken"
    above = f'<div class="fl-key"><span><b>{escape(heading)}</b>{rule}</span></div>'
    return f'<div class="fl-poster">{above}{drawing}<div class="fl-key">{"".join(_keys(arms))}<span>{seeds}</span></div></div>'


def _keys(arms: list[Arm]) -> list[str]:
    classes = {True: "fl-arm{}", False: "fl-{}"}
    drawn = [arm for arm in arms if arm.curves]
    out = []
    for arm in arms:
        if not arm.curves:
            out.append(f"<span>{escape(arm.label)}: no curve recorded</span>")
            continue
        colour = classes[arm.role == "arm"].format(drawn.index(arm) % 6 if arm.role == "arm" else arm.role)
        out.append(f'<span><i class="{colour}"></i>{escape(arm.label)}: ends at {escape(ending(arm))}</span>')
    return out


def _roles(preset: Preset, names: list[str]) -> dict[str, Role]:
    if preset.get("grid"):
        return dict.fromkeys(names, "arm")
    if len(names) > 1:
        return {names[0]: "broken", names[1]: "cured"}
    return {names[0]: "control" if preset.get("kind") == "control" else "arm"}


def axis(preset: Preset, only: Container[str] | None) -> tuple[str, bool]:
    """-> (what the curves show, whether the chart that the preset names has a logarithmic axis)."""
    decides = preset.get("decides") or {}
    heading, log = _chart(decides.get("chart", ""), None if only is None else decides.get("chart") in only)
    metric, layer = split_key(str(decides.get("metric") or preset.get("deciding") or ""))
    return (heading or metric or "Nothing measured") + _layer(layer), log


def _layer(layer: str) -> str:
    """A layer as one says it: "blocks.1.moe" is the second one."""
    match = re.match(r"blocks\.(\d+)\b", layer)
    if match and int(match[1]) < len(ORDINALS):
        return f" in the {ORDINALS[int(match[1])]} layer"
    return f", layer {layer}" if layer else ""


@functools.lru_cache(maxsize=128)
def _chart(name: str, tried: bool | None) -> tuple[str, bool]:
    """Title and log axis of a chart; nothing of one that no child process has tried."""
    if not name or tried is False:
        return "", False
    good, _ = charts((name,))
    return (good[name].title, good[name].log) if name in good else ("", False)
