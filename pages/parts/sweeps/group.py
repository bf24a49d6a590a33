"""The runs of one sweep as a group: how they stand, and what can be ordered of all of them at once."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import streamlit as st

from engine.core.disk import why
from engine.declare.resolve import KnobError
from engine.declare.revise import written
from engine.runs.ending import ENDED, STATUSES
from engine.runs.sweep_file import Sweep, SweepUnreadable, member_runs, read_sweep, sweep_ids
from engine.scheduler.control import Refused
from engine.scheduler.sweep_control import AGAIN, counted
from engine.search.growth import results_of
from engine.server.service import service
from pages.parts.plain import code, plain
from pages.parts.sweeps.delete import ask_to_delete_sweep
from pages.parts.who import who
from pages.parts.words import STATUS, ago, title

MOST_LISTED = 50  # the newest sweeps that can be chosen
SEEDS = 4  # that one press adds
EVERY_RUN = ""


def choose_sweep() -> Sweep | None:
    """The sweep that the address names, and a field to choose another; what cannot be shown is said in one sentence."""
    data = service().data
    listed = list(reversed(sweep_ids(data)))[:MOST_LISTED]
    named = st.query_params.get("sweep", "")
    if not listed and not named:
        return None
    options = [EVERY_RUN, *listed, *([named] if named and named not in listed else [])]

    def chosen() -> None:
        picked = st.session_state["sweep_chosen"]
        if picked:
            st.query_params["sweep"] = picked
        else:
            st.query_params.pop("sweep", None)

    st.session_state["sweep_chosen"] = named if named in options else EVERY_RUN
    st.selectbox("Sweep", options, format_func=_named, key="sweep_chosen", on_change=chosen, width=360)
    if not named:
        return None
    try:
        return read_sweep(data, named)
    except KeyError:
        st.error(f"There is no sweep {code(named)}; it may have been deleted. Choose another.", icon=":material/search_off:")
    except SweepUnreadable as error:
        st.error(plain(error), icon=":material/error:")
    return None


def _named(sweep: str) -> str:
    """A line of the list: lab, what varies, how many runs, when, and the end of its id: a browser takes the first of two equal lines."""
    if not sweep:
        return "all runs"
    file = service().data / "sweeps" / f"{sweep}.json"
    try:
        looks = file.stat()
        words, created = _summary(file, looks.st_mtime_ns, looks.st_ino)
    except (OSError, KeyError, SweepUnreadable):
        return sweep
    return f"{words} · {ago(time.time() - created)} · {sweep[-4:]}"


@lru_cache(maxsize=4 * MOST_LISTED)
def _summary(file: Path, _written: int, _inode: int) -> tuple[str, float]:
    """-> (what stands in the list, when it was created).  Fifty files of a thousand members are not read again at every press."""
    found = read_sweep(file.parents[1], file.stem)
    varied = ", ".join(axis.knob for axis in found.axes) or "seeds"
    return f"{title(found.preset or found.lab)}: {varied} · {len(found.members)} runs", found.created


def group(sweep: Sweep, statuses: Mapping[str, str]) -> None:
    """The head of the group.  `statuses`: run -> status of its runs."""
    with st.container(border=True):
        varied = " × ".join(f"{code(axis.knob)} {plain(', '.join(map(written, axis.values)))}" for axis in sweep.axes)
        seeds = f"{len(sweep.seeds)} seeds" if len(sweep.seeds) != 1 else "1 seed"
        st.markdown(f"**{plain(title(sweep.preset or sweep.lab))}** by {plain(sweep.who)}: {varied + ' × ' if varied else ''}{seeds}")
        counts = counted(statuses)
        stands = [f"{counts[status]} {STATUS[status].word}" for status in STATUSES if status in counts]
        missing = len(sweep.members) - len(statuses)
        stands += [f"{missing} without a run"] if missing else []
        ended = sum(status in ENDED for status in statuses.values())
        st.progress(ended / max(1, len(sweep.members)), text=f"{ended} of {len(sweep.members)} ended: {', '.join(stands)}")
        for sentence in results_of(service().data, sweep)[1]:
            st.markdown(plain(sentence))
        if why := str((sweep.growing or {}).get("ended") or ""):
            st.caption(f"No more runs follow: {plain(why)}")
        with st.container(horizontal=True, vertical_alignment="center"):
            _orders(sweep, statuses)


def _orders(sweep: Sweep, statuses: Mapping[str, str]) -> None:
    sweeps = service().sweeps
    own = {run: status for run, status in statuses.items() if run not in sweep.reused.values()}
    going = [status for status in own.values() if status not in ENDED]
    paused = any(run in service().supervisor.order.paused() for run in own) or "held" in going
    again = len(statuses) < len(sweep.members) or any(status in AGAIN for status in own.values())
    if (Path(__file__).parents[2] / "compare.py").exists():
        st.page_link("compare.py", label="Compare", icon=":material/stacked_line_chart:", query_params={"sweep": sweep.id})
    if sweep.map is not None:
        st.page_link("map.py", label="Map", icon=":material/blur_on:", query_params={"sweep": sweep.id})
    order_button("Pause all", "pause", bool(going), lambda: sweeps.hold(sweep.id), "Holds what trains and what waits.")
    order_button("Go on", "play_arrow", paused, lambda: sweeps.go_on(sweep.id), "Lets go on what is paused or held.")
    order_button("Stop all", "stop", bool(going), lambda: sweeps.stop(sweep.id), "Each run that trains writes a checkpoint first.")
    order_button("Retry failed", "refresh", again, lambda: sweeps.resume(sweep.id), "Also what was stopped, and runs that are missing.")
    order_button(
        f"{SEEDS} more seeds", "add", True, lambda: sweeps.add_seeds(sweep.id, SEEDS, who()), "For every combination; nothing is repeated."
    )
    if st.button("Delete sweep", icon=":material/delete:", key="sweep_delete", help="Asks first, and says what would be lost."):
        ask_to_delete_sweep(sweep.id)


def order_button(label: str, icon: str, enabled: bool, give: Callable[[], Any], tip: str) -> None:
    """An order to a whole sweep, given before the page is drawn again."""
    key = f"sweep_{label.lower().replace(' ', '_')}"
    st.button(label, icon=f":material/{icon}:", disabled=not enabled, key=key, help=tip, on_click=_order, args=(give,))


def _order(give: Callable[[], Any]) -> None:
    """Give an order; why it, or a part of it, was refused is said for a while."""
    try:
        against = give()
    except OSError as error:
        against = [f"This was not done, for {why(error)}."]
    except (Refused, KnobError, SweepUnreadable, KeyError) as error:
        against = [str(error.args[0] if isinstance(error, KeyError) else error)]
    for sentence in against if isinstance(against, list) else ():
        st.toast(plain(sentence), icon=":material/error:", duration="long")


def current(sweep: Sweep) -> Sweep:
    """As its file says it now; as it was where that cannot be read any more."""
    try:
        return read_sweep(service().data, sweep.id)
    except (KeyError, SweepUnreadable):
        return sweep


def runs_of(sweep: Sweep) -> dict[str, str | None]:
    """Identity -> run, as the folder has it now."""
    return member_runs(service().data, sweep)
