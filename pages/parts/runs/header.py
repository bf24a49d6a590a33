"""The head of the run page: status, progress and the buttons of each run."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from engine.labs.chart import RunStyle
from engine.runs.ending import ENDED
from engine.runs.folder import RunFolder
from engine.server.service import service
from pages.parts.plain import plain
from pages.parts.runs.band import swatch
from pages.parts.runs.controls import controls
from pages.parts.runs.status import badge
from pages.parts.runs.troubles import of_run
from pages.parts.words import STATUS, STEADY, progress, standing

DASHES = {"solid": "━━", "dot": "┅┅", "dash": "╍╍", "dashdot": "╍┅"}  # where a picture has room for signs only
COST = (
    "The share of a training step that probes need to read what the charts show. The knob `probes` sets it: free, cheap or dear. "
    "Probes change nothing in the training."
)


def head(run_style: RunStyle, folder: RunFolder, page: Sequence[str], *, keys: bool) -> None:
    """One run of those on the page: what it is doing, how far it is, and its buttons; `keys` gives them their shortcuts."""
    status, state = folder.status(), folder.state()
    share, said = progress(state, status)
    if status == "queued":
        said = standing(folder.run, service().supervisor.queue())
    with st.container(key=f"head_{folder.run}", horizontal=True, vertical_alignment="center", gap="xsmall"):
        st.html(swatch(run_style), width="content")
        st.markdown(f"**{plain(run_style.label)}**", width="content")
        badge(status)
        if status in ENDED:
            st.caption(plain(said), width="content")
        else:
            st.progress(share, text=plain(said), width="stretch")
        controls(run_style, folder, status, page, keys=keys)
    word(folder, status)
    for sentence in of_run(folder, status):
        st.warning(sentence, icon=":material/warning:")


def word(folder: RunFolder, status: str) -> None:
    """What an ended run said of its end, when that is more than its status."""
    told = folder.exit() or {}
    if status in ("failed", "killed", "lost"):
        st.error(f"{plain(told.get('says') or STATUS[status].message)} Its last lines are under **Log** below.", icon=":material/error:")
    elif status in ("diverged", "stopped") and told.get("says"):
        st.warning(plain(told["says"]), icon=STATUS[status].icon)


def overhead(state: Mapping[str, Any]) -> str:
    """What measuring costs, measured; empty while it is not known.  The first steps measure more than the later ones."""
    share = state.get("probe_share")
    if share is None or not math.isfinite(float(share)) or int(state.get("step") or 0) < STEADY:
        return ""  # the first steps warm up, and say nothing of the others
    return f"Measuring takes {100 * float(share):.0f} % of a step"


def cost(folder: RunFolder) -> None:
    """What measuring takes of a step of a run, in a caption; that it is not known yet where nothing says so."""
    with contextlib.suppress(KeyError):
        st.caption(overhead(folder.state()) or "Not known yet what measuring takes of a step.", help=COST)
