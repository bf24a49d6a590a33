"""What a card says beside its picture: how long it takes here, what a reader must know before it, what it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import streamlit as st

from engine.core.duration import duration
from engine.declare.records import print_one
from engine.declare.resolve import Declaration, KnobError, declaration
from engine.scheduler.estimate import of_many
from pages.parts.gallery.recorded import arms_of, cost

KINDS = {"breaks": "breaks", "compared": "cures compared", "control": "control"}
HEADINGS = {"breaks": "Breaks", "compared": "Cures compared", "control": "Controls"}
HINTS = {
    "breaks": "The training breaks on at least 7 of 8 recorded seeds.",
    "compared": "Two or more ways to train, held against each other.",
    "control": "Nothing breaks here: what the others are compared with.",
}


def declarations(lab: Mapping[str, Any], name: str, seeds: Sequence[int] = (0,)) -> list[Declaration]:
    """Everything that a card starts, for each seed.  KnobError where the lab refuses it."""
    return [declaration(lab, preset, {"seed": seed} if seed else {}) for seed in seeds for _, _, preset in arms_of(lab, name)]


@st.cache_data(ttl=60, show_spinner=False)
def _measured(data: str, lab: str, name: str, edition: int, _declared: Sequence[Declaration]) -> float | None:
    """Seconds until the last run of a card ends, from runs of these sizes on this machine; the same for all visitors for a minute."""
    return of_many(Path(data), _declared).seconds


def long(data: Path, lab: Mapping[str, Any], name: str) -> str:
    """How long a card takes: measured here, else recorded elsewhere; "" where nobody has measured it."""
    try:
        seconds = _measured(str(data), lab["lab"], name, int(lab.get("edition", 1)), declarations(lab, name))
    except KnobError:
        seconds = None
    if seconds is not None:
        return f"{duration(seconds)} here"
    recorded = cost(lab, name)
    return "" if recorded is None else f"{print_one(recorded[0])} CPU-seconds on {recorded[1]}"


def line(data: Path, lab: Mapping[str, Any], name: str) -> str:
    """One line of facts."""
    preset = lab["presets"][name]
    return " · ".join(filter(None, [KINDS[preset["kind"]], preset["difficulty"], long(data, lab, name)]))
