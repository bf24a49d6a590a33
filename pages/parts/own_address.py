"""The address of a page as part of its form: what is written into it replaces it, so that one press of Back leaves the page."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

_mount = st.components.v2.component(
    "own_address", js=(Path(__file__).parent / "own_address.js").read_text(encoding="utf-8"), isolate_styles=False
)


def replace_own_address() -> None:
    """From now on, while this page is open.  What the very first script of a page writes comes too early to be replaced."""
    _mount(key="own_address")
