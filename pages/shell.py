"""The frame around every page: which pages there are, their order, titles and icons."""

import sys
from pathlib import Path

import streamlit as st

# Streamlit puts the folder of this file first on the path, where a page called kernels.py would hide
# our package of that name; the root of the project belongs there instead.
here = Path(__file__).resolve().parent
sys.path[:] = [str(here.parent), *(p for p in sys.path if not p or Path(p).resolve() not in (here, here.parent))]

from pages.parts.runs.troubles import banner  # noqa: E402 - only findable now
from pages.parts.turned_address import keep_left_address  # noqa: E402

st.set_page_config(page_title="Faultline", page_icon=str(here / "parts" / "icon.svg"), layout="wide")

page = st.navigation(
    [
        st.Page("home.py", title="Gallery", icon=":material/grid_view:", default=True),
        st.Page("build.py", title="Build", icon=":material/tune:", url_path="build"),
        st.Page("topology.py", title="Topology", icon=":material/polyline:", url_path="topology"),
        st.Page("map.py", title="Map", icon=":material/blur_on:", url_path="map"),
        st.Page("runs.py", title="Runs", icon=":material/table_rows:", url_path="runs"),
        st.Page("compare.py", title="Compare", icon=":material/compare:", url_path="compare"),
        st.Page("machine.py", title="Machine", icon=":material/memory:", url_path="machine"),
        st.Page("cuda.py", title="CUDA kernels", icon=":material/developer_board:", url_path="cuda"),
        st.Page("lab.py", title="Lab", icon=":material/science:", url_path="lab", visibility="hidden"),
        st.Page("run.py", title="Run", icon=":material/show_chart:", url_path="run", visibility="hidden"),
    ],
    position="top",
)
st.html(here / "parts" / "shell.css")
st.logo(str(here / "parts" / "logo.svg"), size="medium")
keep_left_address()
banner()
page.run()
