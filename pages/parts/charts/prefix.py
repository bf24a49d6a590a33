"""The path below which the lab's own addresses stand, as the server was started (`--server.baseUrlPath`)."""

import streamlit as st


def prefix() -> str:
    """Empty where the server was given none, as behind a proxy that takes its own prefix away."""
    return str(st.get_option("server.baseUrlPath") or "")
