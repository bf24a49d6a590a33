"""The scrubber as a Streamlit component: one step for everything on the page.  It stands at the foot of the window."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import streamlit as st

from pages.parts.charts.hub_scripts import HUB
from pages.parts.charts.prefix import prefix
from pages.parts.own_component import own_component

_mount = own_component("scrubber", *HUB, "charts/scrubber.js", style="charts/scrubber.css")
KEY = "scrubber"


def scrubber(runs: Sequence[str], *, living: Sequence[str], step: int | None, on_step: Callable[[int | None], None]) -> None:
    """Mount it; `step`: where the page stands, None at the newest step; `on_step` hears where a person left it."""

    def heard() -> None:
        at = (st.session_state.get(KEY) or {}).get("step")
        on_step(None if at is None or int(at) < 0 else int(at))

    _mount(key=KEY, data={"runs": list(runs), "living": list(living), "step": step, "prefix": prefix()}, on_step_change=heard)
