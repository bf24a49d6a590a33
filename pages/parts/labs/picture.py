"""The picture of a lab, on top of its page: its schematic as a recorded run left it, broken beside cured, and the recorded curves."""

from __future__ import annotations

import contextlib
from collections.abc import Container, Mapping, Sequence
from pathlib import Path
from typing import Any

import streamlit as st

from engine.core.nonfinite import number
from engine.declare.records import MEASURED
from engine.labs.schematic import STYLE, Readings, Schematic, still
from engine.runs.series import split_key
from pages.parts.charts.run_styles import COLOURS
from pages.parts.charts.schematic import of_lab
from pages.parts.gallery.posters import arms_of_preset, labels, poster, recorded, shown_presets
from pages.parts.plain import plain
from pages.parts.words import title

LabJson = Mapping[str, Any]


def lab_picture(lab: LabJson, only: Container[str] | None = None) -> None:
    """The first showcase's, else that of the first preset that breaks and was recorded; nothing where nothing was."""
    presets = shown_presets(lab)
    ranked = sorted(presets, key=lambda name: (presets[name].get("order") or 99, presets[name]["kind"] != "breaks"))
    model = of_lab(lab["lab"])[0]
    for name in ranked if model else ():
        if panes := _panes(lab, name, model):
            with st.container(border=True):
                st.html(STYLE)
                st.markdown(f"**{model.title}**: {model.about}")
                for column, (drawing, sentence) in zip(st.columns(max(2, len(panes))), panes, strict=False):
                    with column:
                        st.markdown(drawing, unsafe_allow_html=True)
                        st.caption(sentence)
            break
    drawing = poster(lab, ranked[0], only) if ranked else ""
    if drawing:
        with st.container(border=True, width=720):
            st.markdown(f"**{title(ranked[0])}**")
            st.markdown(drawing, unsafe_allow_html=True)


def _panes(lab: LabJson, name: str, model: Schematic, folder: Path = MEASURED) -> list[tuple[str, str]]:
    """(drawing, sentence) of the preset and of its twin at the last step that their records keep; [] where one of them keeps too little."""
    arms = arms_of_preset(lab, name)[:2]
    theme = st.context.theme.type or "light"
    blue, vermilion = COLOURS[theme][:2]
    colours = (vermilion, blue) if len(arms) == 2 else (blue,)
    named = labels(lab, arms)
    layer = split_key(lab["presets"][name]["deciding"])[1] if model.layered else ""
    panes = []
    for arm, colour in zip(arms, colours, strict=False):
        pane = _pane(model, recorded(lab, arm, folder) or {}, layer, named[arm], colour)
        if pane is None:
            return []
        panes.append(pane)
    return panes


def _pane(model: Schematic, record: Mapping[str, Any], layer: str, label: str, colour: str) -> tuple[str, str] | None:
    vectors = record.get("film", {}).get("vectors", {})
    first, last = _readings(vectors, 0), _readings(vectors, -1)
    with contextlib.suppress(KeyError, TypeError, ValueError):
        drawing = model.svg(record["knobs"], layer, first)
        said = model.sentence(record["knobs"], last, layer)
        if drawing and said:
            step = max(one["step"][-1] for one in vectors.values())
            words = f"**{plain(label)}**, recorded with seed {record['seeds'][0]}, step {step}: {plain(said)}"
            return f'<div style="--run:{colour}">{still(drawing, last)}</div>', words
    return None


def _readings(vectors: Mapping[str, Mapping[str, Sequence[Any]]], at: int) -> Readings:
    return {key: [float(v) for v in (number(element) for element in one["value"][at]) if v is not None] for key, one in vectors.items()}
