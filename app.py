"""The server object: the pages, the lab's own routes beside them, and the service that lives as long as the server."""

from __future__ import annotations

import pandas  # noqa: F401  -- whole, before any thread: Streamlit imports it late, and Plotly beside it would meet half of it
import streamlit as st

from engine.server.routes import lifespan, routes
from pages.parts import late_reruns

late_reruns.drop()
app = st.App("pages/shell.py", lifespan=lifespan, routes=routes(prefix=st.get_option("server.baseUrlPath")))
