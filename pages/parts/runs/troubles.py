"""What goes wrong beside the training itself, each as one plain sentence: with the lab, and with one run."""

from __future__ import annotations

import streamlit as st

from engine.core.disk import REFUSALS, ROOM, has_room
from engine.core.locks import is_locked
from engine.core.stale import changed_since
from engine.declare import editions
from engine.index.connection import holder
from engine.runs.ending import ENDED
from engine.runs.folder import RunFolder
from engine.server.service import service
from pages.parts.plain import code, plain

REASONS = tuple(reason for _, reason in REFUSALS.values())

MANY = 20  # runs that wait for the index: fewer are read before anybody looks


def of_lab() -> list[str]:
    """What concerns every page of this server, in Markdown."""
    here = service()
    message = []
    if here.owner.role == "reader" and is_locked(here.data / "owner.lock"):
        keeper = holder(here.data / "owner.lock")
        message.append(
            f"Another process{f' ({plain(keeper)})' if keeper else ''} keeps this data folder: this server reads the same runs, "
            "and what is launched here is started there."
        )
    if changed := changed_since(here.started):
        files = code(changed[0]) + (f" and {len(changed) - 1:,} more" if len(changed) > 1 else "")
        message.append(f"{files} changed since this server started: new runs use the new code, charts the old until it starts again.")
    read, of = here.owner.progress()
    if of >= MANY:
        message.append(f"The index is being made from the runs' folders: {read:,} of {of:,} are in it. Runs go on meanwhile.")
    if not has_room(here.data):
        message.append(
            "No run starts and what runs measure may be lost, for the disk is full: "
            f"{plain(here.data)} has less than {ROOM // 2**20} MiB left. How runs end is kept."
        )
    for problem in filter(None, (here.owner.problem, here.supervisor.problem)):
        if not any(reason in problem and reason in " ".join(message) for reason in REASONS):  # once is enough
            message.append(plain(problem))
    return message


def of_run(folder: RunFolder, status: str) -> list[str]:
    """What happened to the files of a run, and how its worker answers to stop, in Markdown."""
    stored = service().store
    state, (places, lost) = stored.state(folder.run), stored.damage(folder.run)
    message = []
    if status not in ENDED and (waited := service().supervisor.pressing.waited(folder)) is not None:
        message.append(stopping(waited))
    if dropped := int(state.get("dropped") or 0):
        message.append(
            f"The disk refused what was measured in {dropped:,} log call{'s' * (dropped > 1)}; the training itself lost nothing."
        )
    if places:
        where = "one place" if places == 1 else f"{places:,} places"
        message.append(f"{lost:,} bytes of what was measured are damaged in {where} and were skipped; everything else was read.")
    if edition := editions.sentence(folder.spec() or {}):
        message.append(plain(edition))
    if problem := folder.unreadable() or state.get("problem"):  # the index may not know yet what has happened to the declaration
        message.append(plain(problem))
    return message


def stopping(waited: float) -> str:
    """How hard the worker is asked by now."""
    terminate, kill = service().supervisor.pressing.terminate_after, service().supervisor.pressing.kill_after
    if waited < terminate:
        return f"Asked to stop; it saves and ends. If it does not, it is terminated (SIGTERM) after {terminate:.0f} s."
    if waited < kill:
        return f"It has not answered to stop for {waited:.0f} s and was sent SIGTERM; after {kill:.0f} s it is killed."
    return "It answered neither to stop nor to SIGTERM, and is being killed (SIGKILL)."


@st.fragment(run_every=5)
def banner() -> None:
    """On every page, only while there is something to say."""
    for sentence in of_lab():
        st.warning(sentence, icon=":material/warning:")
