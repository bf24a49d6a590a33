"""Queue and machine: what occupies the slots, who waits, what this machine has, and what it lacks."""

import time

import polars as pl
import streamlit as st

from engine.server.doctor import examine
from pages.parts.clock import clock
from pages.parts.machine import memory, slots, waiting
from pages.parts.plain import plain_cells

st.title("Machine")
st.fragment(slots, run_every=2)()
st.fragment(waiting, run_every=2)()

st.header("Devices and memory", anchor="devices")
st.fragment(memory, run_every=5)()

st.header("Checks", anchor="checks")
st.caption("What `python -m engine doctor` says on this machine.")
with st.spinner("Looking at the machine"):
    checks = list(examine())
rows = [{"check": name, "state": "✓ ok" if ok else "✕ lacks something", "what it says": message} for name, ok, message in checks]
st.table(plain_cells(pl.DataFrame(rows)), hide_index=True, border="horizontal")
lacking = sum(not ok for _, ok, _ in checks)
st.caption(f"{len(checks)} checks, {lacking} of them not met, at {clock(time.time())}.")
