"""What may be said of a comparison: the sentences of `engine.statistics` and nothing else, escaped, arm by arm."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from engine.statistics.sentences import Sentence
from pages.parts.plain import plain

VERDICTS = ("direction", "seeds")  # what a person came for stands out


def said(sentences: Sequence[Sentence]) -> None:
    """One block an arm, in the order in which the sentences come; those of the whole comparison stand apart."""
    blocks: list[tuple[str, list[Sentence]]] = []
    for sentence in sentences:
        if not blocks or blocks[-1][0] != sentence.arm:
            blocks.append((sentence.arm, []))
        blocks[-1][1].append(sentence)
    for _, block in blocks:
        st.markdown(" ".join(f"**{plain(one.text)}**" if one.topic in VERDICTS else plain(one.text) for one in block), width=900)
