"""The picture of a lab, on top of its page."""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any

import streamlit as st

from pages.parts.gallery.posters import poster, shown_presets
from pages.parts.words import title


def lab_picture(lab: Mapping[str, Any], only: Container[str] | None = None) -> None:
    """The poster of the lab's first showcase, else of its first preset that breaks; nothing where that was not recorded."""
    presets = shown_presets(lab)
    ranked = sorted(presets, key=lambda name: (presets[name].get("order") or 99, presets[name]["kind"] != "breaks"))
    drawing = poster(lab, ranked[0], only) if ranked else ""
    if drawing:
        with st.container(border=True, width=720):
            st.markdown(f"**{title(ranked[0])}**")
            st.markdown(drawing, unsafe_allow_html=True)
