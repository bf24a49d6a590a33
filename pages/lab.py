"""The page of one lab: its story and picture, panels to play with, every remedy with its text, its presets.  `?lab=` names it."""

import re

import streamlit as st

from engine.core.suggest import nearest
from engine.scheduler.estimate import measured_runs
from engine.server.service import service
from pages.parts.cards import broken_card, card, leave, sentences, skeletons
from pages.parts.charts.live_chart import preload
from pages.parts.gallery.posters import shown_presets, style
from pages.parts.gallery.seeds import seeds_dialog
from pages.parts.knobs.texts import answer_text
from pages.parts.labs.picture import lab_picture
from pages.parts.panels import panel_card
from pages.parts.plain import plain
from pages.parts.words import title

leave()
answer = service().labs()
style()
labs = {lab["lab"]: lab for lab in answer["labs"]}
asked = st.query_params.get("lab", "") or next(iter(labs), "")
lab = labs.get(asked)

# -- nothing to show ---------------------------------------------------------------------------------

if answer["state"] == "computing":
    st.title("A lab")
    skeletons()
    st.stop()
if lab is None:
    st.title("No such lab" if labs else "No lab")
    mine = [error for error in answer["errors"] if (error["kind"], error["name"]) == ("lab", asked)]
    if answer["state"] == "failed" or not labs:
        st.error(f"No lab can be shown: {plain(answer['says'] or 'none could be read')}", icon=":material/error:")
    elif not mine:
        st.error(plain(nearest("lab", asked, labs)), icon=":material/search_off:")
    for error in mine:
        broken_card(error)
    st.page_link("home.py", label="Go to the gallery", icon=":material/grid_view:")
    st.stop()

# -- the story ---------------------------------------------------------------------------------------

st.query_params["lab"] = asked
st.title(f"{lab['icon']} {lab['title']}".strip())
if len(labs) > 1:
    with st.container(horizontal=True):
        for name, other in labs.items():
            if name != asked:
                st.page_link("lab.py", label=other["title"], icon=other["icon"] or None, query_params={"lab": name})
first, rest = sentences(lab["story"])
st.markdown(first, width=900)
if rest:
    with st.expander("More about this lab", width=900):
        st.markdown(rest)
papers = [re.sub(r"arXiv (\d{4}\.\d{4,5})", r"[arXiv \1](https://arxiv.org/abs/\1)", paper) for paper in lab["papers"]]
st.caption(f"Papers: {' · '.join(papers)}")
sections = {**({"panels": "Panels"} if lab["panels"] else {}), "remedies": "Remedies", "presets": "Presets"}
st.markdown(" · ".join(f"[{words}](#{anchor})" for anchor, words in sections.items()))
lab_picture(lab, answer.get("charts"))

# -- panels: to play with ------------------------------------------------------------------------------

if lab["panels"]:
    st.header("Panels", anchor="panels")
    st.caption("Move a slider: the figure follows at once. Nothing is trained and no run is made.")
for one in lab["panels"]:
    if one["page"]:
        st.page_link(f"{one['page']}.py", label=f"**{one['title']}.** {one['about']}", icon=":material/open_in_full:")
    else:
        panel_card(one)
for error in answer["errors"]:
    if error["kind"] in ("panel", "answer"):
        broken_card(error)

# -- remedies ----------------------------------------------------------------------------------------

questions = sorted((spec for spec in lab["knobs"] if spec["kind"] == "question"), key=lambda spec: spec["group"] != "remedy")
st.header("Remedies", anchor="remedies")
st.caption("What the literature answers to each question of this lab; every answer can be chosen when you build a run.")
for question in questions:
    with st.container(border=True):
        st.markdown(f"### {question['about']}")
        # First what a run uses unless told otherwise.
        choices = sorted(question["choices"], key=lambda choice: choice["name"] != question["default"])
        for choice, tab in zip(choices, st.tabs([title(choice["name"]) for choice in choices]), strict=True):
            with tab:
                answer_text(choice)
                st.caption(f"`{question['name']}={choice['name']}`" + (", the default" if choice["name"] == question["default"] else ""))

# -- presets -----------------------------------------------------------------------------------------

st.header("Presets", anchor="presets")
known = measured_runs(service().data)
with st.grid(min_column_width=340, row_height="content"):
    for name, preset in shown_presets(lab).items():
        card(lab, name, preset, known, answer.get("charts"), whole=True)
st.page_link("build.py", label="Build a run of your own", icon=":material/tune:", query_params={"lab": asked})
seeds_dialog(answer["labs"])
preload()
