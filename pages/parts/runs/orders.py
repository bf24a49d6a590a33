"""Orders to runs from the page: a refusal is one sentence, and what cannot be undone is asked first."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import streamlit as st

from engine.core.disk import why
from engine.runs.ending import ENDED
from engine.runs.folder import all_runs
from engine.scheduler.control import Refused
from engine.server.service import service
from pages.parts.plain import code, plain
from pages.parts.words import STATUS

ASKED = "runs_to_delete"
DELETED = "runs_were_deleted"


def order(give: Callable[[str], object], run: str) -> bool:
    """Give one order -> whether it was taken; a refusal is shown."""
    try:
        give(run)
    except OSError as error:
        st.toast(plain(f"{run}: this was not done, for {why(error)}."), icon=":material/error:", duration="long")
        return False
    except (Refused, KeyError) as error:
        message = error.args[0] if isinstance(error, KeyError) else str(error)
        st.toast(plain(message), icon=":material/error:", duration="long")
        return False
    return True


def ask_to_delete(runs: Sequence[str]) -> None:
    """Let the page ask (`asking`) whether these runs shall go; a button in a part that draws itself again cannot hold a dialog open."""
    st.session_state[ASKED] = list(runs)
    st.rerun()


def waits_for_an_answer() -> bool:
    """Whether the dialog is open: a page is not made again under the hand that answers it."""
    return bool(st.session_state.get(ASKED))


def asking(then: Callable[[], None] | None = None) -> None:
    """The dialog that `ask_to_delete` asked for, until it is answered; only its own button deletes, and then comes `then`."""
    runs = st.session_state.get(ASKED)
    if not runs:
        return

    @st.dialog("Delete for good?", icon=":material/delete:", on_dismiss=_answered)
    def ask() -> None:
        if not waits_for_an_answer():  # not by what a button returns: Streamlit takes no press of one that is disabled by now
            if st.session_state.pop(DELETED, False) and then is not None:
                then()
            st.rerun()
        standing = {folder.run: folder.status() for folder in all_runs(service().data) if folder.run in runs}
        gone = [run for run, status in standing.items() if status in ENDED or status == "queued"]
        if gone:
            what = f"this run: {code(gone[0])}" if len(gone) == 1 else f"these {len(gone)} runs"
            st.markdown(f"Curves, checkpoints and log of {what} will be gone. Nothing brings them back.")
        if len(gone) > 1:
            st.code("\n".join(gone), language=None)
        for run in standing:
            if run not in gone:
                st.warning(f"{code(run)} is {STATUS[standing[run]].word}; stop it first, then delete it.", icon=":material/info:")
        with st.container(horizontal=True):
            label = f"Delete {len(gone)} runs" if len(gone) > 1 else "Delete it"
            st.button(label, icon=":material/delete:", type="primary", key="delete_now", on_click=_delete, args=(gone,), disabled=not gone)
            st.button("Keep", key="keep", on_click=_answered)

    ask()


def _delete(runs: Sequence[str]) -> None:
    """The table leaves out at once what the index has not yet noticed."""
    hidden = st.session_state.setdefault("deleted_runs", set())
    deleted = {run for run in runs if order(service().delete_run, run)}
    hidden |= deleted
    st.session_state[DELETED] = bool(deleted)
    _answered()


def _answered() -> None:
    st.session_state.pop(ASKED, None)
