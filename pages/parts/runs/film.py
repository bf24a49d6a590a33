"""The film of the run page: the schematic of its lab for each run, and the scrubber that moves everything on the page."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from engine.core.catalog import Broken
from engine.labs.chart import RunStyle
from engine.labs.schematic import Schematic, schematic_of
from engine.server.service import service
from pages.parts.charts.schematic import Pane, panes_of, schematic, sentences
from pages.parts.charts.scrubber import scrubber
from pages.parts.plain import code, plain

FARTHEST = 2**62  # a step; the index counts in 64 bits


def step_now() -> int | None:
    """The step in the address; None for one that follows the newest, or that is no step."""
    written = st.query_params.get("step", "")
    return int(written) if re.fullmatch(r"\d{1,19}", written) and int(written) <= FARTHEST else None


def stand_at(step: int | None) -> None:
    """A person left the page at this step: it goes into the address."""
    if step is None:
        st.query_params.pop("step", None)
    else:
        st.query_params["step"] = str(step)


@dataclass(frozen=True)
class Film:
    """The schematic of a lab with the drawings of the runs on the page."""

    model: Schematic
    runs: Sequence[RunStyle]
    panes: Sequence[Pane]


def film_of(
    lab: str, run_styles: Sequence[RunStyle], specs: Sequence[Mapping[str, Any]], layer: str, *, living: Sequence[str]
) -> tuple[Film | None, list[Broken]]:
    """The film, if the schematic of the lab can draw one of the runs; and the files of schematics that cannot be read."""
    model, bad = schematic_of(service().labs(), lab)
    panes = panes_of(model, run_styles, specs, layer, living) if model else []
    return (Film(model, run_styles, panes) if model and panes else None), bad


def drawing(film: Film, *, living: Sequence[str]) -> None:
    """The schematic of every run, and what each says in numbers; the numbers follow once a second while a run goes on."""
    schematic(film.model, film.panes, film.runs, living)
    again = 1 if living and step_now() is None else None
    st.fragment(lambda: sentences(film.model, film.panes, step_now()), run_every=again)()


def scrubbing(run_styles: Sequence[RunStyle], *, living: Sequence[str]) -> None:
    """The scrubber at the foot of the window."""
    scrubber([run.run for run in run_styles], living=living, step=step_now(), on_step=stand_at)


def could_not_be_read(files: Sequence[Broken]) -> None:
    """Files of charts and schematics that cannot be read, each with the reason."""
    for error in files:
        st.error(f"The drawing in {code(error.file)} could not be read: {plain(error.message)}", icon=":material/error:")
