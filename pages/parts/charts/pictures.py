"""The pictures of a run: per name a picker of steps, and the runs of the page side by side; it grows while they go on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import streamlit as st

from engine.labs.chart import RunLook
from engine.server.service import service
from pages.parts.runs.header import DASHES
from pages.parts.words import title

HERE = Path(__file__).parent
SCRIPTS = ("chart_look.js", "live_points.js", "live_hub.js", "pictures.js")

Shown = Mapping[str, Mapping[int, str]]  # name -> step -> what it says

_mount = st.components.v2.component(
    "pictures",
    js="\n".join((HERE / name).read_text() for name in SCRIPTS),
    css=(HERE / "pictures.css").read_text(),
    isolate_styles=False,
)


def pictures_now(looks: Sequence[RunLook]) -> dict[str, Shown]:
    """Run -> its pictures."""
    return {look.run: service().store.pictures(look.run) for look in looks}


def strips(looks: Sequence[RunLook], found: Mapping[str, Shown], *, living: Sequence[str]) -> None:
    """One strip per name of a picture; nothing where there is none."""
    for name in sorted({name for shown in found.values() for name in shown}):
        with st.container(border=True, gap="xsmall"):
            st.markdown(f"##### {title(name)}")
            _strip(name, looks, found, living)


def _strip(name: str, looks: Sequence[RunLook], found: Mapping[str, Shown], living: Sequence[str]) -> None:
    runs = [
        {
            "run": look.run,
            "label": look.label,
            "glyph": DASHES[look.dash],
            "colour": look.colour,
            "pictures": [[step, says] for step, says in found[look.run].get(name, {}).items()],
        }
        for look in looks
    ]
    data = {"name": name, "title": title(name), "shown": runs, "runs": [look.run for look in looks], "living": list(living)}
    _mount(key=f"pictures_{name}", data=data)
