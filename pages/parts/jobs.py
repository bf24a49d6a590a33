"""The strip of jobs: what runs on this machine now, and what ended last."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st
from engine.folder import ENDED, RunFolder, data_folder
from engine.service import service

from pages.parts.status import inline
from pages.parts.words import progress, title

MOST_LIVING, MOST_ENDED = 8, 4


def jobs() -> None:
    """One line per living run and a few that ended last; nothing at all before the first run."""
    rows = sorted(service().store.runs(), key=lambda row: row["created"] or 0, reverse=True)
    living = [row for row in rows if row["status"] not in ENDED]
    shown = [*living[:MOST_LIVING], *[row for row in rows if row["status"] in ENDED][:MOST_ENDED]]
    if not shown:
        return
    with st.container(border=True, gap="xsmall"):
        st.markdown(f"**{len(living)} on this machine now**" if living else "**Latest runs**")
        for row in shown:
            job(row)
        if len(living) > MOST_LIVING:
            st.caption(f"and {len(living) - MOST_LIVING} more that wait")


def job(row: Mapping[str, Any]) -> None:
    folder = RunFolder(data_folder() / "runs" / row["run"])
    spec = folder.spec() or {}
    _, said = progress(folder.state(), row["status"])
    pair = ",".join(sorted({row["run"], spec.get("twin") or row["run"]}))
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(inline(row["status"]), width="content")
        st.page_link(
            "run.py", label=f"{title(row['preset'] or row['lab'])} · {row['run'][-4:]}", query_params={"run": pair}, width="content"
        )
        st.caption(said, width="content")
