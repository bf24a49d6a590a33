"""The dialog of `× seeds`: a card's runs once more with several seeds, counted and timed before anything starts."""

from __future__ import annotations

import streamlit as st

from engine.declare.resolve import KnobError
from engine.runs.sweep_file import SweepUnreadable
from engine.scheduler.control import Refused
from engine.server.service import service
from pages.parts.gallery.posters import arms_of_preset
from pages.parts.plain import plain
from pages.parts.who import who
from pages.parts.words import title

WANTED = "seeds_wanted"
COUNTS = (1, 3, 8)


def want_seeds(lab: str, name: str) -> None:
    """Let the page ask how many (`seeds_dialog`): an answer to a press, before the page is made again."""
    st.session_state[WANTED] = (lab, name)


def seeds_dialog(labs: list[dict]) -> None:
    """The dialog that a card wants, until it is answered or put away; every page with cards calls it once."""
    lab_name, name = st.session_state.get(WANTED, ("", ""))
    lab = next((one for one in labs if one["lab"] == lab_name and name in one["presets"]), None)
    if lab is None:
        return

    @st.dialog(f"{title(name)}: several seeds", icon=":material/stacked_line_chart:", on_dismiss=_forget)
    def ask() -> None:
        arms = arms_of_preset(lab, name)
        st.markdown("Each seed draws its own first weights and its own data; what holds on one may not hold on the next.")
        count = int(st.segmented_control("Seeds", COUNTS, default=3, required=True, key="seeds_count"))
        each = f", each of the {len(arms)} presets of this card" if len(arms) > 1 else ""
        st.caption(f"Seeds 0 to {count - 1}{each}." if count > 1 else f"Seed 0{each}.")
        try:
            preview = service().sweeps.preview_of_presets(lab_name, name, arms, range(count))
        except KnobError as error:
            st.error(plain(error), icon=":material/error:")
            return
        first, *rest = preview.sentences
        st.markdown(f":material/timer: **{plain(first)}**" + "".join(f"  \n{plain(sentence)}" for sentence in rest))
        label = f"Start {preview.new} run{'s' * (preview.new != 1)}" if preview.new else "Compare them"
        if st.button(label, icon=":material/play_arrow:", type="primary", key="start_seeds"):
            try:
                sweep = service().sweeps.launch(preview, who())
            except (KnobError, Refused, SweepUnreadable, OSError) as error:
                st.error(f"Nothing was started. {plain(error)}", icon=":material/error:")
            else:
                _forget()
                st.switch_page("compare.py", query_params={"sweep": sweep})

    ask()


def _forget() -> None:
    st.session_state.pop(WANTED, None)
