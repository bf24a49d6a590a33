"""The gallery: one card for every way to break a training, one press to see it happen."""

import re

import streamlit as st

from engine.core.catalog import LABS
from engine.core.paths import ROOT
from engine.server.service import service
from pages.parts.cards import broken_card, card, leave, skeletons
from pages.parts.charts.live_chart import preload
from pages.parts.gallery.facts import HEADINGS, HINTS
from pages.parts.gallery.filters import cards_of, every, filtered, in_order, showcases
from pages.parts.plain import plain
from pages.parts.prose import prose
from pages.parts.runs.jobs import jobs

WIDE = 340  # pixels that a card needs

leave()
answer = service().labs()

st.title("Break a training, watch it, cure it")
prose("home")
top = st.container()
st.fragment(jobs, run_every=1)()

if answer["state"] == "computing":
    skeletons()
elif answer["state"] == "failed":
    st.error(f"{plain(answer['says'])} Remove the cause and press the button below.", icon=":material/error:")
    if st.button("Read the labs again", icon=":material/refresh:"):
        st.rerun()

chosen = filtered(answer["labs"]) if answer["labs"] else None
if chosen is not None:
    st.header(f"{len(chosen)} of {sum(1 for _ in every(answer['labs']))} experiments" if chosen else "No experiment fits")
    if not chosen:
        st.markdown("Take a word or a choice away; an experiment shows only what fits all of them.")
    with st.grid(min_column_width=WIDE, row_height="content"):
        for lab, name in chosen:
            card(lab, name, lab["presets"][name])
elif answer["labs"]:
    with top:
        st.header("Start here", anchor="start")
        with st.grid(min_column_width=WIDE, row_height="content"):
            for lab, name in showcases(answer["labs"]):
                card(lab, name, lab["presets"][name])

for lab in in_order(answer["labs"]) if chosen is None else ():
    st.header(f"{lab['icon']} {lab['title']}".strip(), anchor=lab["lab"])
    first, *rest = re.split(r"(?<=\.)\s+", lab["story"], maxsplit=1)
    st.markdown(first, width=900)
    for more in rest:
        with st.expander("More about this lab", width=900):
            st.markdown(more)
    st.page_link("lab.py", label="Remedies, panels and papers of this lab", icon=":material/science:", query_params={"lab": lab["lab"]})
    for kind, heading in HEADINGS.items():
        names = [name for name in cards_of(lab) if lab["presets"][name]["kind"] == kind and not lab["presets"][name]["order"]]
        if names:
            st.subheader(heading, anchor=f"{lab['lab']}-{kind}", help=HINTS[kind])
            with st.grid(min_column_width=WIDE, row_height="content"):
                for name in names:
                    card(lab, name, lab["presets"][name])

for error in answer["errors"]:
    broken_card(error)
if answer["state"] == "ready" and not answer["labs"] and not answer["errors"]:
    folder = LABS.relative_to(ROOT).as_posix()
    st.info(f"There is no lab in `{folder}/`; add one file in a topic there and reload this page.", icon=":material/add_circle:")
preload()  # last: the cards can be read before the charts' library is asked for
