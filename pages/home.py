"""The gallery: a poster for every way to break a training, three of them to start with, one press to see it happen."""

import streamlit as st

from engine.core.catalog import LABS
from engine.core.paths import ROOT
from engine.scheduler.estimate import measured_runs
from engine.server.service import service
from pages.parts.cards import broken_card, card, leave, sentences, skeletons
from pages.parts.charts.live_chart import preload
from pages.parts.gallery.filters import chosen_filter, in_order
from pages.parts.gallery.posters import shown_presets, style
from pages.parts.gallery.seeds import seeds_dialog
from pages.parts.plain import plain
from pages.parts.prose import prose
from pages.parts.runs.jobs import jobs

GROUPS = {"breaks": "Breaks", "compared": "Cures compared", "control": "Controls"}

leave()
answer = service().labs()
style()

st.title("Break a training, watch it, cure it")
prose("home")
top = st.container()  # filled below, when it is known whether a filter is set
st.fragment(jobs, run_every=1)()

if answer["state"] == "computing":
    skeletons()
elif answer["state"] == "failed":
    st.error(f"{plain(answer['says'])} Remove the cause and press the button below.", icon=":material/error:")
    if st.button("Read the labs again", icon=":material/refresh:"):
        st.rerun()

labs, only = answer["labs"], answer.get("charts")
known = measured_runs(service().data)

# -- start here --------------------------------------------------------------------------------------

wanted = chosen_filter(labs) if labs else None
cards = [(lab, name, preset) for lab in labs for name, preset in shown_presets(lab).items()]
showcases = sorted((one for one in cards if one[2].get("order")), key=lambda one: one[2]["order"])
if showcases and not wanted:
    with top:
        st.header("Start here", anchor="start")
        with st.grid(min_column_width=380, row_height="content"):
            for lab, name, preset in showcases:
                card(lab, name, preset, known, only)
left = [(lab, name, preset) for lab, name, preset in cards if not wanted or wanted.fits(lab, name, preset)]
if wanted:
    st.caption(f"{len(left)} of {len(cards)} presets. Clear the fields to see all of them.")

# -- every lab ---------------------------------------------------------------------------------------

first = {(lab["lab"], name) for lab, name, _ in showcases} if not wanted else set()
for lab in in_order(labs):
    of_lab = {name: preset for other, name, preset in left if other is lab and (lab["lab"], name) not in first}
    if wanted and not of_lab:
        continue
    st.header(f"{lab['icon']} {lab['title']}".strip(), anchor=lab["lab"])
    st.markdown(sentences(lab["story"])[0], width=900)
    label = "Story, panels, remedies and papers of this lab"
    st.page_link("lab.py", label=label, icon=":material/science:", query_params={"lab": lab["lab"]})
    for kind, heading in GROUPS.items():
        group = {name: preset for name, preset in of_lab.items() if preset["kind"] == kind}
        if group:
            st.subheader(heading, anchor=f"{lab['lab']}-{kind}")
            with st.grid(min_column_width=290, row_height="content"):
                for name, preset in group.items():
                    card(lab, name, preset, known, only)

for error in answer["errors"]:
    broken_card(error)
if answer["state"] == "ready" and not labs and not answer["errors"]:
    folder = LABS.relative_to(ROOT).as_posix()
    st.info(f"There is no lab in `{folder}/`; add one file in a topic there and reload this page.", icon=":material/add_circle:")
seeds_dialog(labs)
if answer["state"] != "computing":
    preload()  # last: the cards come before the library of the charts
