"""The gallery: one card for every way to break a training, one press to see it happen."""

import re

import streamlit as st

from engine.core.catalog import LABS
from engine.core.paths import ROOT
from engine.server.service import service
from pages.parts.cards import broken_card, card, leave, skeletons
from pages.parts.charts.live_chart import preload
from pages.parts.plain import plain
from pages.parts.prose import prose
from pages.parts.runs.jobs import jobs

leave()
preload()
answer = service().labs()

st.title("Break a training, watch it, cure it")
prose("home")
st.fragment(jobs, run_every=1)()

if answer["state"] == "computing":
    skeletons()
elif answer["state"] == "failed":
    st.error(f"{plain(answer['says'])} Remove the cause and press the button below.", icon=":material/error:")
    if st.button("Read the labs again", icon=":material/refresh:"):
        st.rerun()

for lab in answer["labs"]:
    st.header(f"{lab['icon']} {lab['title']}".strip(), anchor=lab["lab"])
    first, second, *rest = [*re.split(r"(?<=\.)\s+", lab["story"], maxsplit=2), ""]
    st.markdown(f"{first} {second}", width=900)
    if any(rest):
        with st.expander("More about this lab", width=900):
            st.markdown(" ".join(rest))
    st.page_link("lab.py", label="Remedies, panels and papers of this lab", icon=":material/science:", query_params={"lab": lab["lab"]})
    with st.grid(min_column_width=420, row_height="content"):
        for name, preset in lab["presets"].items():
            if not any(preset.get(link) for link in ("broken", "small", "arm")):
                card(lab, name, preset)

for error in answer["errors"]:
    broken_card(error)
if answer["state"] == "ready" and not answer["labs"] and not answer["errors"]:
    folder = LABS.relative_to(ROOT).as_posix()
    st.info(f"There is no lab in `{folder}/`; add one file in a topic there and reload this page.", icon=":material/add_circle:")
