"""Who looks at the page: a guest by the id that the gate gave the browser; nobody where there is no gate."""

from __future__ import annotations

import streamlit as st

from engine.scheduler.submit import guest
from engine.server.gate import BROWSER


def who() -> str | None:
    """The name under which this browser starts runs; None for the machine's own user (a page without a gate, as in tests)."""
    browser = st.context.headers.get(BROWSER)
    return guest(browser) if browser else None
