"""A page that is made of panels of labs: it waits for them, or says why it cannot be shown."""

from __future__ import annotations

from typing import Any

import streamlit as st

from engine.server.service import service
from pages.parts.cards import broken_card, skeletons
from pages.parts.plain import plain


def needed_panels(what: str, *names: str) -> dict[str, dict[str, Any]]:
    """The panels of all labs by name, these among them; else the page ends here, with one sentence about `what` it cannot show."""
    answer = service().labs()
    if answer["state"] == "computing":
        skeletons()
        st.stop()
    panels = {panel["name"]: panel for lab in answer["labs"] for panel in lab.get("panels", ())}
    if missing := [name for name in names if name not in panels]:
        st.error(
            f"No {what} can be shown: {plain(answer['says'] or f'the panel {missing[0]} could not be read')}.", icon=":material/error:"
        )
        for error in answer["errors"]:
            broken_card(error)
        st.page_link("home.py", label="Go to the gallery", icon=":material/grid_view:")
        st.stop()
    return panels
