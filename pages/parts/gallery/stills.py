"""The small schematics of a card: what the recorded runs left, broken beside cured, fetched when the card comes into view."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any
from urllib.parse import urlencode

import streamlit as st

from engine.server.service import service
from engine.server.stills import still_of
from pages.parts.charts.run_styles import COLOURS
from pages.parts.gallery.posters import arms_of_preset, labels

LabJson = Mapping[str, Any]


def stills(lab: LabJson, name: str) -> str:
    """Pictures as HTML of a preset and its twin, or of it alone; "" for a ladder and where one of them keeps too little."""
    arms = arms_of_preset(lab, name)
    if len(arms) > 2 or lab["presets"][name].get("grid"):
        return ""
    theme, known = st.context.theme.type or "light", service().labs()
    blue, vermilion = COLOURS.get(theme, COLOURS["light"])[:2]
    named = labels(lab, arms) if len(arms) > 1 else {name: ""}
    out = []
    for arm, colour in zip(arms, (vermilion, blue) if len(arms) > 1 else (blue,), strict=True):
        drawn = still_of(known, lab, arm)
        if drawn is None:
            return ""
        query = urlencode({"lab": lab["lab"], "preset": arm, "colour": colour.removeprefix("#"), "theme": theme})
        said = f"{named[arm]}, step {drawn.step}: {drawn.sentence}".removeprefix(", ")
        out.append(f'<img loading="lazy" src="still?{escape(query)}" alt="{escape(said)}" title="{escape(said)}" width="320" height="200">')
    return f'<div class="fl-stills">{"".join(out)}</div>'
