"""The buttons of a run: hold, continue, stop, resume, run again, duplicate, delete; each only where it makes sense."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import streamlit as st

from engine.core.suggest import nearest
from engine.declare.resolve import KnobError, declaration
from engine.declare.revise import changes, request_of
from engine.labs.chart import RunStyle
from engine.runs.ending import ENDED
from engine.runs.folder import RunFolder
from engine.scheduler.control import Refused
from engine.server.service import service
from pages.parts.plain import plain
from pages.parts.runs.orders import ask_to_delete, order
from pages.parts.who import who

STOP_KEY, HOLD_KEY = "S", "H"


def controls(run_style: RunStyle, folder: RunFolder, status: str, page: Sequence[str], *, keys: bool) -> None:
    """Buttons of one run; `page` are the runs on the page.

    `keys`: it is alone, so its stop and hold stand in the open, with their shortcuts; of several runs they stand under "More", and
    those of all that go on in the open (`together`), so that nothing changes its place when one of them ends.
    """
    run = run_style.run
    if keys and status not in ENDED:
        _living(run_style, folder, status, keys=True)
    if status in ENDED and status not in ("finished", "unreadable"):
        message = "Goes on from the last checkpoint; what was measured after it is measured again."
        _button("Resume", "resume", f"resume_{run}", service().resume_run, [run], None, help=message)
    if status != "unreadable":  # of which no knob is known
        with st.popover("More", type="tertiary", key=f"more_{run}", on_change="rerun"):
            if not keys:
                _living(run_style, folder, status, keys=False)
            _repeat(run_style, folder, status, page)
    # not among them: the window of further buttons would lie over the dialog that asks
    if status in ENDED and st.button("Delete", icon=":material/delete:", type="tertiary", key=f"delete_{run}"):
        ask_to_delete([run])


def _living(run_style: RunStyle, folder: RunFolder, status: str, *, keys: bool) -> None:
    if status in ("running", "held"):
        _hold(run_style, status, HOLD_KEY if keys else None)
    if status not in ENDED:
        _stop(run_style, folder, STOP_KEY if keys else None)


def _repeat(run_style: RunStyle, folder: RunFolder, status: str, page: Sequence[str]) -> None:
    run, same = run_style.run, "The same declaration as a new run."
    if status in ENDED and st.button("Run again", icon=":material/replay:", key=f"again_{run}", help=same):
        _again(folder, page)
    if st.button("Duplicate", icon=":material/content_copy:", key=f"duplicate_{run}", help="Opens the form with this run's knobs."):
        st.switch_page("build.py", query_params={"from": run})


def together(standing: Mapping[str, str]) -> None:
    """For several runs on the page: one button, and one key, for those that go on; else how many have ended, in the same place."""
    living = [run for run, status in standing.items() if status not in ENDED]
    running = [run for run in living if standing[run] == "running"]
    held = [run for run in living if standing[run] == "held"]
    which = " all" if len(living) > 1 else ""
    with st.container(horizontal=True, vertical_alignment="center"):
        if running:
            _button(f"Hold{which}", "pause", "hold_all", service().hold_run, running, HOLD_KEY)
        elif held:
            _button(f"Continue{which}", "play_arrow", "continue_all", service().resume_run, held, HOLD_KEY)
        if living:
            _button(f"Stop{which}", "stop", "stop_all", service().stop_run, living, STOP_KEY)
        if len(living) < len(standing):
            st.caption(f"{len(standing) - len(living)} of {len(standing)} runs have ended.", width="content")


def _hold(run_style: RunStyle, status: str, key: str | None) -> None:
    if status == "running":
        message = "Waits between two steps and keeps its place in memory."
        _button("Hold", "pause", f"hold_{run_style.run}", service().hold_run, [run_style.run], key, help=message)
    else:
        _button("Continue", "play_arrow", f"continue_{run_style.run}", service().resume_run, [run_style.run], key)


def _stop(run_style: RunStyle, folder: RunFolder, key: str | None) -> None:
    stopping = (folder.path / "STOP").exists()
    message = None if stopping else "Saves where it is, then ends."
    label = "Stopping…" if stopping else "Stop"
    _button(label, "stop", f"stop_{run_style.run}", service().stop_run, [run_style.run], key, help=message, disabled=stopping)


def _button(
    label: str,
    icon: str,
    name: str,
    give: Callable[[str], object],
    runs: Sequence[str],
    key: str | None,
    *,
    help: str | None = None,
    disabled: bool = False,
) -> None:
    """A button that gives the same order to `runs` before the page is drawn again."""

    def pressed() -> None:
        for run in runs:
            order(give, run)

    st.button(label, icon=f":material/{icon}:", key=name, on_click=pressed, shortcut=key, help=help, disabled=disabled)


def _again(folder: RunFolder, page: Sequence[str]) -> None:
    """The same declaration once more, laid over the first."""
    spec: Mapping[str, Any] = folder.spec() or {}
    labs = {lab["lab"]: lab for lab in service().labs()["labs"]}
    try:
        if spec["lab"] not in labs:
            raise KnobError(nearest("lab", spec["lab"], labs))
        lab = labs[spec["lab"]]
        preset, knobs, lost = request_of(lab, spec)
        if lost:
            raise KnobError(f"The lab has changed since that run and no longer knows {', '.join(lost)}; duplicate it instead.")
        new = service().launch(spec["lab"], preset, changes(declaration(lab, preset, {}), knobs), who=who(), parent=folder.run)
    except (KnobError, Refused, OSError) as error:
        st.toast(f"Nothing was started. {plain(error)}", icon=":material/error:", duration="long")
    else:
        st.switch_page("run.py", query_params={"run": ",".join([*[run for run in page if run == folder.run], new])})
