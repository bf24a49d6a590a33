"""Maps of trainings over two knobs: of trainability computed at once, of any other lab trained cell by cell (`?lab=`, `?sweep=`)."""

import streamlit as st

from engine.server.service import service
from pages.parts.cards import skeletons
from pages.parts.map.computed import LAB, computed_map
from pages.parts.map.form import map_form
from pages.parts.map.trained import trained_map
from pages.parts.plain import code

st.title("Enter the map")
answer = service().labs()
if answer["state"] == "computing":
    skeletons()
    st.stop()
if named := st.query_params.get("sweep", ""):
    trained_map(named)
    st.stop()
labs = {lab["lab"]: lab for lab in answer["labs"]}
options = [LAB, *(name for name in labs if name != LAB)]
wanted = st.query_params.get("lab", LAB)
if wanted not in options:
    st.error(f"There is no lab {code(wanted)}; choose one.", icon=":material/search_off:")


def chosen() -> None:
    picked = st.session_state["map_lab"]
    st.query_params.from_dict({} if picked == LAB else {"lab": picked})


st.session_state["map_lab"] = wanted if wanted in options else LAB
picked = st.selectbox(
    "Lab",
    options,
    key="map_lab",
    on_change=chosen,
    width=320,
    format_func=lambda name: (
        f"{labs[name]['title'] if name in labs else name}{' · at once' if name == LAB else ' · every cell is trained'}"
    ),
)
if picked == LAB:
    computed_map()
else:
    map_form(labs[picked])
