"""The picture of a lab, on top of its page: its schematic as a recorded run left it, broken beside cured, and the recorded curves."""

from __future__ import annotations

from collections.abc import Container, Mapping
from pathlib import Path
from typing import Any

import streamlit as st

from engine.declare.records import MEASURED, recorded
from engine.labs.recorded_still import recorded_still
from engine.labs.schematic import STYLE, Schematic, schematic_of
from engine.runs.series import split_key
from engine.server.service import service
from pages.parts.charts.run_styles import COLOURS
from pages.parts.gallery.posters import arms_of_preset, labels, poster, shown_presets
from pages.parts.plain import plain
from pages.parts.words import title

LabJson = Mapping[str, Any]


def lab_picture(lab: LabJson, only: Container[str] | None = None) -> None:
    """The first showcase's, else that of the first preset that breaks and was recorded; nothing where nothing was."""
    presets = shown_presets(lab)
    ranked = sorted(presets, key=lambda name: (presets[name].get("order") or 99, presets[name]["kind"] != "breaks"))
    model = schematic_of(service().labs(), lab["lab"])[0]
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
        drawn = recorded_still(model, recorded(lab, arm, folder) or {}, layer)
        if drawn is None:
            return []
        words = f"**{plain(named[arm])}**, recorded with seed {drawn.seed}, step {drawn.step}: {plain(drawn.sentence)}"
        panes.append((f'<div style="--run:{colour}">{drawn.drawing}</div>', words))
    return panes
