"""The strip of jobs: what runs on this machine now, and what ended last."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from engine.declare.records import cures
from engine.runs.ending import ENDED
from engine.runs.folder import run_folder
from engine.server.service import service
from pages.parts.charts.run_styles import apart_by, cured
from pages.parts.plain import plain
from pages.parts.runs.status import inline
from pages.parts.runs.story import family
from pages.parts.words import ago, progress, title

MOST_LIVING, MOST_ENDED = 8, 4

Row = Mapping[str, Any]


def jobs() -> None:
    """One line per living run or pair of twins, and a few that ended last; nothing at all before the first run."""
    pairs = paired(sorted(service().store.runs(), key=lambda row: row["created"] or 0, reverse=True))
    living = [pair for pair in pairs if any(row["status"] not in ENDED for row in pair)]
    ended = [pair for pair in pairs if pair not in living]
    if not pairs:
        return
    with st.container(border=True, gap="xsmall"):
        st.markdown("**On this machine now**" if living else "**Latest runs**")
        lines = [*living[:MOST_LIVING], *ended[:MOST_ENDED]]
        for pair, apart in zip(lines, _apart(lines), strict=True):
            job(pair, apart)
        if len(living) > MOST_LIVING:
            st.caption(f"and {len(living) - MOST_LIVING} more that wait")


def paired(rows: Sequence[Row]) -> list[list[Row]]:
    """Rows with their twins, the broken one first, in the order in which the first of each pair comes."""
    by_run = {row["run"]: row for row in rows}
    out, seen = [], set()
    for row in rows:
        if row["run"] not in seen:
            pair = [row] + ([by_run[row["twin"]]] if row.get("twin") in by_run else [])
            seen |= {one["run"] for one in pair}
            out.append(sorted(pair, key=cured))
    return out


def _apart(lines: Sequence[Sequence[Row]]) -> list[str]:
    """For each line the knobs that tell it from the other lines of its name ("lr=0.01, seed=3"); "" where it is the only one."""
    names = [(pair[0]["lab"], _name(pair), len(pair)) for pair in lines]
    specs = [_spec(pair[0]["run"]) if names.count(name) > 1 else None for pair, name in zip(lines, names, strict=True)]
    alike = {name: [spec for spec, other in zip(specs, names, strict=True) if spec and other == name] for name in names}
    return [", ".join(apart_by(spec, alike[name])) if spec else "" for spec, name in zip(specs, names, strict=True)]


def _spec(run: str) -> dict[str, Any] | None:
    try:
        return run_folder(service().data, run).spec()
    except KeyError:
        return None  # deleted meanwhile


def _name(pair: Sequence[Row]) -> str:
    name = pair[0]["preset"] or pair[0]["lab"]
    return title(name.replace("_cured", "") if len(pair) > 1 else name)


def job(pair: Sequence[Row], apart: str) -> None:
    """One line: what it is, `apart` from others of its name, and how each of its runs stands."""
    name = _name(pair)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.page_link(
            "run.py",
            label=plain(f"{name} {_both(pair)}" if len(pair) > 1 else name),
            icon=":material/show_chart:",
            query_params={"run": ",".join(row["run"] for row in pair)},
            width="content",
        )
        if apart:
            st.caption(plain(apart), width="content")
        for row in pair:
            message = progress(service().store.state(row["run"]), row["status"])[1] if row["status"] not in ENDED else ""
            st.markdown(f"{inline(row['status'])} :small[{plain(message)}]", width="content")
        st.caption(ago(time.time() - (pair[0]["created"] or time.time())), width="content")


def _both(pair: Sequence[Row]) -> str:
    """What the second of two twins is to the first."""
    if not cured(pair[-1]):
        return "as it was, and changed"
    lab = next((one for one in service().labs()["labs"] if one["lab"] == pair[0]["lab"]), None)
    return "and its cure" if lab and cures(lab, family(lab, pair[0]["preset"])) else "and its twin"
