"""What a remedy or a panel says of itself: idea, formula, paper, cost, where it fails, and whose reading the formula is."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

NAMED = {"Paper": "paper", "Differs": "differs", "Cost": "cost", "Fails": "fails"}


def answer_text(answer: Mapping[str, str]) -> None:
    """The text of one answer of a question: its idea, the rest folded.  A formula that is our reconstruction is marked as such."""
    if answer["idea"]:
        st.markdown(answer["idea"])
    if not any(answer.get(what) for what in ("formula", "reading", *NAMED.values())):
        return
    with st.expander("Formula, paper, cost and where it fails", icon=":material/function:"):
        if answer["formula"]:
            formula(answer["formula"])
        st.caption("  \n".join(f"**{word}.** {answer[what]}" for word, what in NAMED.items() if answer.get(what)))
        if answer["reading"]:
            where = ". ".join(answer[what].rstrip(".") for what in ("source", "why") if answer.get(what))
            st.markdown(f":small[**Formula from:** {reading(answer['reading'])}{f': {where}.' if where else ''}]")


def formula(text: str) -> None:
    """LaTeX, one part a line; inline formulas wrap on a narrow screen, st.latex would scroll."""
    parts = text.split(r",\quad")
    st.markdown("  \n".join(rf"$\displaystyle {part.strip()}$" for part in parts), text_alignment="center")


def reading(text: str) -> str:
    """ "our reading of the abstract" stands out: it is not what the paper prints."""
    return f":orange-badge[{text}]" if text.startswith("our reading") else text
