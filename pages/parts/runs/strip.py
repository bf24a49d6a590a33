"""The verdict strip: one live line per run; a press on a sentence zooms all charts to its step."""

from __future__ import annotations

import streamlit as st

from engine.labs.chart import RunStyle
from engine.labs.verdict import Sentence, Verdict
from pages.parts.plain import plain
from pages.parts.runs.band import picture

AROUND = 60  # steps to either side of a sentence's step
ZOOMS = f"All charts show the {AROUND} steps before and after."
NOTHING = "No sign of trouble so far."
NOTHING_AT_ALL = "Nothing was measured of this run."


def strip(run_style: RunStyle, verdict: Verdict, *, ended: bool) -> None:
    """The newest sentence first, the others in a small window, so that nothing below moves when one more comes."""
    newest, *others = [*reversed(verdict.sentences)] or [None]
    with st.container(key=f"verdict_{run_style.run}", gap="xsmall"):
        if newest is None:
            st.caption(NOTHING_AT_ALL if ended else NOTHING)
            return
        if newest.source == "end" and verdict.end is None:
            st.caption(plain(newest.text))  # there is nothing to zoom to
        else:
            _press(run_style, newest, len(verdict.sentences))
        if not others and verdict.end is None:
            return
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            drawn = picture(verdict.end, run_style) if verdict.end else ""
            if drawn:
                st.html(drawn, width="content")
            if others:
                with st.popover(f"{len(others)} earlier", type="tertiary", icon=":material/history:"):
                    for n, sentence in enumerate(others):
                        _press(run_style, sentence, len(others) - n)


def _press(run_style: RunStyle, sentence: Sentence, n: int) -> None:
    said = sentence.text if sentence.source == "end" else f"Step {sentence.step:,}: {sentence.text}"
    key, span = f"sentence_{run_style.run}_{n}", (sentence.step - AROUND, sentence.step + AROUND)
    if st.button(plain(said), key=key, type="tertiary", icon=":material/zoom_in:", help=ZOOMS, on_click=zoom_to, args=(span,), wrap=True):
        st.rerun()  # the charts stand outside this part of the page


def zoom_to(span: tuple[int, int]) -> None:
    """All charts show these steps; on an axis of time they would be seconds."""
    st.query_params["zoom"] = f"{max(0, span[0])},{span[1]}"
    st.session_state["x"] = "step"
    st.session_state["jumps"] = st.session_state.get("jumps", 0) + 1
