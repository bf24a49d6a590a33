"""Which presets of the gallery are shown: by phenomenon, by paper, by a search; the address says it too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from pages.parts.gallery.posters import shown_presets
from pages.parts.words import title

LabJson = Mapping[str, Any]
LAST = 1_000  # behind every showcase
Preset = Mapping[str, Any]


@dataclass(frozen=True)
class Filter:
    """What a person wants to see; empty words want everything."""

    phenomenon: str = ""
    paper: str = ""
    search: str = ""

    def __bool__(self) -> bool:
        return bool(self.phenomenon or self.paper or self.search)

    def fits(self, lab: LabJson, name: str, preset: Preset) -> bool:
        """Whether a preset has the phenomenon, its lab the paper, and its texts every word of the search."""
        if self.phenomenon and self.phenomenon not in preset.get("phenomena", ()):
            return False
        if self.paper and self.paper not in lab.get("papers", ()):
            return False
        text = " ".join([lab["title"], title(name), name, preset["story"], *preset.get("phenomena", ())]).lower()
        return all(word in text for word in self.search.lower().split())


def chosen_filter(labs: Sequence[LabJson]) -> Filter:
    """The three fields side by side; nothing is offered that no preset has."""
    phenomena = sorted({one for lab in labs for preset in shown_presets(lab).values() for one in preset.get("phenomena", ())})
    papers = list(dict.fromkeys(paper for lab in labs for paper in lab.get("papers", ())))
    with st.container(horizontal=True, vertical_alignment="bottom", key="gallery_filter"):
        shared: dict[str, Any] = {"index": None, "bind": "query-params", "width": 260}
        phenomenon = st.selectbox("Phenomenon", phenomena, placeholder="any", key="phenomenon", **shared)
        paper = st.selectbox("Paper", papers, placeholder="any", key="paper", **shared)
        search = st.text_input("Search", placeholder="a word of a title or a story", key="search", bind="query-params", width=260)
    return Filter(phenomenon or "", paper or "", (search or "").strip())


def in_order(labs: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Labs with showcases first, in the order of these."""
    return sorted(labs, key=lambda lab: min([preset.get("order") or LAST for preset in lab["presets"].values()], default=LAST))
