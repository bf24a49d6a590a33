"""Cards of the gallery: a preset with its buttons, a place held for one, a file that could not be read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import streamlit as st

from engine.core.device import gpus
from engine.declare.resolve import KnobError
from engine.scheduler.control import Refused
from engine.server.service import service
from pages.parts.plain import code, plain
from pages.parts.who import who
from pages.parts.words import title


def card(lab: Mapping[str, Any], name: str, preset: Mapping[str, Any]) -> None:
    """One preset: its story, and a button that breaks it; a second one when it has a twin."""
    with st.container(border=True, height="stretch"):
        st.markdown(f"### {title(name)}")
        st.markdown(preset["story"])
        st.caption(" · ".join(facts(lab, preset)))
        key = f"{lab['lab']}_{name}"
        with st.container(horizontal=True, vertical_alignment="bottom"):
            one, icon = ("Break it", "bolt") if preset["kind"] == "breaks" else ("Run it", "play_arrow")
            if preset["twin"]:
                both, healing = ("Break it and cure it", "healing") if preset["kind"] == "breaks" else ("Run both", "compare_arrows")
                _button(one, icon, "break", lab, name)
                _button(both, healing, "cure", lab, name, type="primary")
            else:
                _button(one, icon, "break", lab, name, type="primary")
            if preset["gpu"] and gpus():
                st.toggle("on the GPU, larger", key=f"gpu_{key}")
        refused = st.session_state.pop(f"refused_{key}", "")
        if refused:
            st.error(plain(refused), icon=":material/error:")


def _button(label: str, icon: str, what: Literal["break", "cure"], lab: Mapping[str, Any], name: str, **options: Any) -> None:
    """A press is answered before the page would be made again, since the person is about to leave it (`leave`)."""
    key = f"{lab['lab']}_{name}"

    def pressed() -> None:
        preset = lab["presets"][name]["gpu"] if st.session_state.get(f"gpu_{key}") else name
        st.session_state["started"], st.session_state[f"refused_{key}"] = start(lab["lab"], preset, what == "cure")

    st.button(label, icon=f":material/{icon}:", key=f"{what}_{key}", on_click=pressed, **options)


def start(lab: str, preset: str | None, both: bool, given: Mapping[str, Any] | None = None) -> tuple[list[str], str]:
    """Start the run, or the pair -> their ids, and one sentence when nothing was started."""
    if both:
        return _started(lambda: service().launch_twins(lab, str(preset), given, who=who()))
    return _started(lambda: (service().launch(lab, preset, given, who=who()),))


def start_pair(lab: str, given: Mapping[str, Any], change: Mapping[str, Any]) -> tuple[list[str], str]:
    """Start a run without a preset and the same with `change`, as twins -> as `start`."""
    return _started(lambda: service().launch_pair(lab, None, given, change, who=who()))


def _started(launch: Callable[[], Sequence[str]]) -> tuple[list[str], str]:
    try:
        return list(launch()), ""
    except (KnobError, Refused, OSError) as error:
        return [], f"Nothing was started. {error}"


def leave(started: Sequence[str] = ()) -> None:
    """Go to the page of what was just started, if anything was."""
    runs = started or st.session_state.pop("started", ())
    if runs:
        st.switch_page("run.py", query_params={"run": ",".join(runs)})


def facts(lab: Mapping[str, Any], preset: Mapping[str, Any]) -> list[str]:
    steps = preset["knobs"].get("steps") or next((k["default"] for k in lab["knobs"] if k["name"] == "steps"), None)
    out = [f"{steps:,} steps"] if steps else []
    twin = lab["presets"].get(preset["twin"])
    if twin is None:
        return out
    here, there = preset["knobs"], twin["knobs"]
    changed = {name.partition(".")[0] for name in here.keys() | there.keys() if here.get(name) != there.get(name)}
    return [*out, f"the twin changes {', '.join(sorted(changed))}"]


def skeletons() -> None:
    """Places held while the labs are read for the first time; the page fills itself when they are there."""

    @st.fragment(run_every=1)
    def waiting() -> None:
        answer = service().labs()
        if answer["state"] != "computing":
            st.rerun()
        said = answer["says"] or "reading the labs"
        st.progress(
            min(0.95, answer["seconds"] / 20),
            text=f"Reading the labs for the first time: {plain(said)} ({answer['seconds']:.0f} s; usually under a minute)",
        )

    waiting()
    with st.grid(min_column_width=420):
        for _ in range(4):
            st.skeleton(height=170)


def broken_card(error: Mapping[str, str]) -> None:
    """A file that could not be read says so on its own card and hides no other."""
    with st.container(border=True):
        st.markdown(f"### :red[:material/error:] {code(error['file'])} could not be read")
        st.markdown("Correct the file and reload this page; every other card works.")
        with st.expander("Why"):
            st.code(error["says"], language=None, wrap_lines=True)
