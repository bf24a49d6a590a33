"""Deleting a sweep: the dialog says what would be lost, with its runs and without them."""

from __future__ import annotations

import streamlit as st

from engine.core.disk import why
from engine.scheduler.control import Refused
from engine.server.service import service
from engine.server.sweeps import Lost
from pages.parts.plain import code, plain

PENDING = "sweep_to_delete"


def ask_to_delete_sweep(sweep: str) -> None:
    """Let the page ask (`asking_of_sweep`); a button in a part that draws itself again cannot hold a dialog open."""
    st.session_state[PENDING] = sweep
    st.rerun()


def asking_of_sweep() -> None:
    """The dialog that `ask_to_delete_sweep` wants, until it is answered; only its own buttons delete."""
    sweep = st.session_state.get(PENDING)
    if not sweep:
        return

    @st.dialog("Delete this sweep?", icon=":material/delete:", on_dismiss=_answered)
    def ask() -> None:
        if PENDING not in st.session_state:  # answered; of a sweep that is gone the buttons are no longer drawn
            st.rerun()
        try:
            lost = service().sweeps.lost_with(sweep)
        except KeyError as error:
            st.error(plain(error.args[0]), icon=":material/search_off:")
            lost = Lost([], [], [])
        st.markdown(_words(sweep, lost))
        if lost.living:
            st.warning(f"{_runs(lost.living)} of it still go{'es' * (len(lost.living) == 1)} on. Stop the sweep first, then delete it.")
        with st.container(horizontal=True):
            shared = {"disabled": bool(lost.living), "on_click": _delete}
            st.button("Forget the sweep only", key="forget_sweep", args=(sweep, False), **shared)
            if lost.own:
                label = f"Delete it with {_runs(lost.own)}"
                st.button(label, icon=":material/delete:", type="primary", key="delete_sweep_runs", args=(sweep, True), **shared)
            st.button("Keep", key="keep_sweep", on_click=_answered)

    ask()


def _words(sweep: str, lost: Lost) -> str:
    """What is lost, one paragraph for each way."""
    out = [
        f"**Forget the sweep only**: which runs belong to {code(sweep)} and how they were asked for is lost; every run stays in the table.",
    ]
    if lost.own:
        out.append(
            f"**Delete it with {_runs(lost.own)}**: curves, checkpoints and logs of the runs that it made are lost too. "
            "Nothing brings them back."
        )
    if lost.kept:
        one = len(lost.kept) == 1
        out.append(
            f"{_runs(lost.kept)} of it stay{'s' * one} in any case: {'it was' if one else 'they were'} there before, or another "
            f"sweep uses {'it' if one else 'them'}."
        )
    return "\n\n".join(out)


def _runs(runs: list[str]) -> str:
    return "1 run" if len(runs) == 1 else f"{len(runs)} runs"


def _delete(sweep: str, runs: bool) -> None:
    """The table leaves out at once what the index has not yet noticed.  A refusal is shown, and the sweep stays."""
    try:
        gone = service().sweeps.delete(sweep, runs=runs)
    except OSError as error:
        st.toast(f"This was not done, for {plain(why(error))}.", icon=":material/error:", duration="long")
    except (Refused, KeyError) as error:
        st.toast(plain(error.args[0]), icon=":material/error:", duration="long")
    else:
        hidden = st.session_state.setdefault("deleted_runs", set())
        hidden |= set(gone)
        st.query_params.pop("sweep", None)
        st.session_state.pop("runs_filters", None)
    _answered()


def _answered() -> None:
    st.session_state.pop(PENDING, None)
