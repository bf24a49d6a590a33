"""The pictures of a run: per name a picker of steps, and the runs of the page side by side; it grows while they go on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from engine.labs.chart import RunStyle
from engine.server.service import service
from pages.parts.charts.hub_scripts import HUB
from pages.parts.charts.prefix import prefix
from pages.parts.own_component import own_component
from pages.parts.plain import plain
from pages.parts.runs.header import DASHES
from pages.parts.words import title

Shown = Mapping[str, Mapping[int, str]]  # name -> step -> what it says

_mount = own_component(
    "pictures",
    *HUB,
    "charts/pictures.js",
    style="charts/pictures.css",
)


def pictures_now(run_styles: Sequence[RunStyle]) -> dict[str, Shown]:
    """Run -> its pictures."""
    return {run_style.run: service().store.pictures(run_style.run) for run_style in run_styles}


def strips(run_styles: Sequence[RunStyle], shown_of_run: Mapping[str, Shown], *, living: Sequence[str]) -> None:
    """One strip per name of a picture; nothing where there is none.

    A picture of what a chart of the same name draws in the colours of the page is folded: it adds the earlier steps.
    """
    charts = service().labs().get("charts", ())
    for name in sorted({name for shown in shown_of_run.values() for name in shown}, key=lambda name: (name in charts, name)):
        if name in charts:
            with st.expander(f"{plain(title(name))}, step by step, as the run drew it", icon=":material/photo_library:"):
                _strip(name, run_styles, shown_of_run, living)
            continue
        with st.container(border=True, gap="xsmall"):
            st.markdown(f"##### {plain(title(name))}")
            _strip(name, run_styles, shown_of_run, living)


def _strip(name: str, run_styles: Sequence[RunStyle], shown_of_run: Mapping[str, Shown], living: Sequence[str]) -> None:
    runs = [
        {
            "run": run_style.run,
            "label": run_style.label,
            "glyph": DASHES[run_style.dash],
            "colour": run_style.colour,
            "pictures": [[step, message] for step, message in shown_of_run[run_style.run].get(name, {}).items()],
        }
        for run_style in run_styles
    ]
    data = {"name": name, "title": title(name), "shown": runs, "runs": [run_style.run for run_style in run_styles], "living": list(living)}
    _mount(key=f"pictures_{name}", data=data | {"prefix": prefix()})
