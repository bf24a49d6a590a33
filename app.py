"""The server object: the pages, the lab's own routes, the gate before both, and the service that lives as long as the server."""

from __future__ import annotations

import sys

import pandas  # noqa: F401  -- whole, before any thread: Streamlit imports it late, and Plotly beside it would meet half of it
import streamlit as st
from starlette.middleware import Middleware

from engine.core.paths import data_folder
from engine.server.access_token import Token, Unsafe
from engine.server.admission import Rules
from engine.server.gate import Gate
from engine.server.links import announced
from engine.server.routes import lifespan, routes
from pages.parts import late_reruns

late_reruns.drop()
try:
    rules, token = Rules.of(st.get_option), Token(data_folder())
    token.now()
except Unsafe as unsafe:
    sys.exit(str(unsafe))
ours = routes(prefix=st.get_option("server.baseUrlPath"))
gate = Middleware(Gate, rules=rules, token=token, ours=[route.path for route in ours])
app = st.App("pages/shell.py", lifespan=announced(lifespan, st.get_option, token), routes=ours, middleware=[gate])
