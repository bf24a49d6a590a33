"""The lab's server with a page of as many live charts as asked for: `streamlit run tests/benchmarks/many_charts.py`."""

from __future__ import annotations

import streamlit as st

from engine.server.routes import lifespan, routes

app = st.App("many_charts_page.py", lifespan=lifespan, routes=routes())
