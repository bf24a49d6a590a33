"""Longer texts of pages: Markdown files of pages/texts/, so that a sentence can be edited without reading Python."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

TEXTS = Path(__file__).resolve().parent.parent / "texts"


def prose(name: str) -> None:
    """Draw `pages/texts/<name>.md`."""
    st.markdown((TEXTS / f"{name}.md").read_text(encoding="utf-8"))
