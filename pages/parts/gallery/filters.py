"""Which cards the gallery shows: by what happens in them, by paper, and by words; the choice stands in the address."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import streamlit as st

from pages.parts.words import title

Lab = Mapping[str, Any]
LAST = 1_000  # behind every showcase


def cards_of(lab: Lab) -> list[str]:
    """The presets of a lab that have a card of their own; twins, arms and larger variants are on the cards of the others."""
    return [name for name, preset in lab["presets"].items() if not any(preset.get(link) for link in ("broken", "small", "arm"))]


def every(labs: Sequence[Lab]) -> Iterator[tuple[Lab, str]]:
    for lab in labs:
        yield from ((lab, name) for name in cards_of(lab))


def in_order(labs: Sequence[Lab]) -> list[Lab]:
    """Labs with showcases first, in the order of these."""
    return sorted(labs, key=lambda lab: min([lab["presets"][name]["order"] or LAST for name in cards_of(lab)], default=LAST))


def showcases(labs: Sequence[Lab]) -> list[tuple[Lab, str]]:
    """Where one starts, in an order that teaches."""
    chosen = [(lab["presets"][name]["order"], lab, name) for lab, name in every(labs) if lab["presets"][name]["order"]]
    return [(lab, name) for _, lab, name in sorted(chosen, key=lambda one: one[0])]


def filtered(labs: Sequence[Lab]) -> list[tuple[Lab, str]] | None:
    """The cards that a person asked for; None where nothing was asked and the whole gallery stands."""
    phenomena = sorted({one for lab, name in every(labs) for one in lab["presets"][name]["phenomena"]})
    papers = sorted({paper for lab in labs for paper in lab["papers"]})
    with st.container(horizontal=True, vertical_alignment="bottom", key="filters"):
        words = st.text_input("Search", key="q", bind="query-params", placeholder="a word of a title or a story", width=260)
        shown = st.multiselect("What happens", phenomena, key="shows", bind="query-params", placeholder="any phenomenon", width=320)
        paper = st.selectbox("Paper", papers, index=None, key="paper", bind="query-params", placeholder="any paper", width=220)
    if not (words or shown or paper):
        return None
    return [
        (lab, name)
        for lab, name in every(labs)
        if set(shown) <= set(lab["presets"][name]["phenomena"])
        and (not paper or paper in lab["papers"])
        and all(word in _text(lab, name) for word in (words or "").lower().split())
    ]


def _text(lab: Lab, name: str) -> str:
    preset = lab["presets"][name]
    return " ".join([lab["title"], lab["lab"], title(name), name, preset["story"], *preset["phenomena"], *lab["papers"]]).lower()
