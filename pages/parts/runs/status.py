"""The status of a run: always an icon and a word, never colour alone."""

from __future__ import annotations

import streamlit as st

from pages.parts.words import STATUS


def badge(status: str) -> None:
    run_style = STATUS[status]
    st.badge(run_style.word, icon=run_style.icon, color=run_style.colour, help=run_style.message)


def inline(status: str) -> str:
    """The same as Markdown, for a line of text."""
    run_style = STATUS[status]
    return f":{run_style.colour}-badge[{run_style.icon} {run_style.word}]"
