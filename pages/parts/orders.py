"""Orders to runs from the page: a refusal is one sentence, and what cannot be undone is asked first."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import streamlit as st
from engine.folder import ENDED, all_runs
from engine.orders import Refused
from engine.service import service

from pages.parts.words import STATUS


def order(give: Callable[[str], object], run: str) -> bool:
    """Give one order -> whether it was taken; a refusal is shown."""
    try:
        give(run)
    except (Refused, KeyError, OSError) as error:
        says = error.args[0] if isinstance(error, KeyError) else str(error)
        st.toast(str(says), icon=":material/error:", duration="long")
        return False
    return True


def ask_to_delete(runs: Sequence[str], then: Callable[[], None] | None = None) -> None:
    """A dialog that names the runs; only its own button deletes them."""

    @st.dialog("Delete for good?", icon=":material/delete:")
    def ask() -> None:
        standing = {folder.run: folder.status() for folder in all_runs(service().data) if folder.run in runs}
        gone = [run for run, status in standing.items() if status in ENDED or status == "queued"]
        if gone:
            what = f"this run: `{gone[0]}`" if len(gone) == 1 else f"these {len(gone)} runs"
            st.markdown(f"Curves, checkpoints and log of {what} will be gone. Nothing brings them back.")
        if len(gone) > 1:
            st.code("\n".join(gone), language=None)
        for run in standing:
            if run not in gone:
                st.warning(f"`{run}` is {STATUS[standing[run]].word}; stop it first, then delete it.", icon=":material/info:")
        with st.container(horizontal=True):
            label = f"Delete {len(gone)} runs" if len(gone) > 1 else "Delete it"
            if st.button(
                label, icon=":material/delete:", type="primary", key="delete_for_good", on_click=_delete, args=(gone,), disabled=not gone
            ):
                if then is not None:
                    then()
                st.rerun()
            if st.button("Keep", key="keep"):
                st.rerun()

    ask()


def _delete(runs: Sequence[str]) -> None:
    """The table leaves out at once what the index has not yet noticed."""
    hidden = st.session_state.setdefault("deleted_runs", set())
    hidden |= {run for run in runs if order(service().delete_run, run)}
