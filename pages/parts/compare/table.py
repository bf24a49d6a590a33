"""The head of a comparison: in what the arms differ, how many of their runs are in, and what they came to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl
import streamlit as st

from engine.compare.overview import Overview, still_out
from engine.declare.revise import written
from engine.statistics.sentences import figure
from pages.parts.compare.picture import ArmStyle
from pages.parts.plain import plain_cells
from pages.parts.runs.header import DASHES

GLYPHS = {**DASHES, "dashdot": "╍┅", "longdash": "╌╌"}
MOST_KNOBS = 6  # columns; of more the rest stands in one
LONGEST = 56  # characters of a cell


def knob_table(overview: Overview, styles: list[ArmStyle], standing: Mapping[str, str]) -> None:
    """One row an arm.  Only knobs that differ are columns; the knobs of an answer stand with it."""
    arms = overview.arms
    ended = still_out(arms, standing)
    numbers = {one.name: one for part in (overview.compared, *overview.others) for one in part.arms}
    numbered = any(arm.name.startswith("arm ") for arm in arms.arms)
    dashed = len({style.dash for style in styles}) > 1
    rows: list[dict[str, Any]] = []
    for n, (arm, style) in enumerate(zip(arms.arms, styles, strict=True)):
        is_base = arm.name == overview.baseline
        row = {"#": f"{n + 1} {GLYPHS[style.dash]}" if dashed else f"{n + 1}"}  # one column, for a phone
        row |= {"arm": arm.name} if numbered or not arms.differing else {}
        heads = arms.heads
        row |= {name: _cell(arm.knobs, name, arms.differing) for name in heads[:MOST_KNOBS]}
        if len(heads) > MOST_KNOBS:
            row["other knobs"] = _clipped(" ".join(f"{k}={written(arm.knobs[k])}" for k in heads[MOST_KNOBS:] if k in arm.knobs))
        one = numbers[arm.name]
        done, of = ended[arm.name]
        row |= {"seeds in": f"{done} of {of}", "median": figure(one.median), _spread(overview): _ends(one)}
        row |= {"diverged": f"{one.diverged.k} of {one.diverged.n}", "": "baseline" if is_base else ""}
        rows.append(row)
    st.table(plain_cells(pl.DataFrame(rows)), hide_index=True, border="horizontal")


def _spread(overview: Overview) -> str:
    forms = {one.form for part in (overview.compared, *overview.others) for one in part.arms}
    return "90 % band" if forms == {"band"} else "range" if "band" not in forms else "90 % band (range)"


def _ends(one: Any) -> str:
    if one.low is None or one.high is None:
        return "–"
    ends = f"{figure(one.low)} to {figure(one.high)}"
    return ends if one.form == "band" else f"({ends})" if one.form == "range" else "–"


def _cell(knobs: Mapping[str, Any], name: str, differing: Sequence[str]) -> str:
    """The value and, of an answer, its own knobs as far as they are not the same in all arms."""
    if name not in knobs:
        return "·"
    inner = [k for k in knobs if k.startswith(f"{name}.") and k in differing]
    own = ", ".join(f"{k.partition('.')[2]} {written(knobs[k])}" for k in inner)
    return _clipped(f"{written(knobs[name]) or '–'}{f' ({own})' if own else ''}")


def _clipped(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
