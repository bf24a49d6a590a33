"""The status of a run: always an icon and a word, never colour alone."""

from __future__ import annotations

import streamlit as st

from pages.parts.words import STATUS


def badge(status: str) -> None:
    look = STATUS[status]
    st.badge(look.word, icon=look.icon, color=look.colour, help=look.says)


def inline(status: str) -> str:
    """The same as Markdown, for a line of text."""
    look = STATUS[status]
    return f":{look.colour}-badge[{look.icon} {look.word}]"
