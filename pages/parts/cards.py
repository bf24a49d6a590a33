"""Cards of the gallery: a preset with its buttons, a place held for one, a file that could not be read."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import streamlit as st

from engine.core.device import gpus
from engine.declare.resolve import KnobError
from engine.labs.chart import charts
from engine.scheduler.control import Refused
from engine.scheduler.estimate import of_many
from engine.scheduler.preview import sentences
from engine.scheduler.sweeps import Arm
from engine.server.service import service
from pages.parts.gallery.curves import picture
from pages.parts.gallery.facts import declarations, line
from pages.parts.gallery.recorded import arms_of, recorded
from pages.parts.plain import code, plain
from pages.parts.who import who
from pages.parts.words import title

SEEDS = (3, 5, 8)


def card(lab: Mapping[str, Any], name: str, preset: Mapping[str, Any]) -> None:
    """One preset as a poster: its recorded curves, a sentence, what it costs, and a button that starts all of it."""
    key = f"{lab['lab']}_{name}"
    with st.container(border=True, height="stretch", key=f"card_{key}"):
        st.markdown(f"### {title(name)}")
        arms = recorded(lab, name)
        if arms:
            st.html(picture(arms, _chart(lab, preset), st.context.theme.type or "light", pair=bool(preset["twin"]) and not preset["grid"]))
        else:
            st.caption("Its curves are not recorded yet.")
        first, *rest = re.split(r"(?<=[.])\s+", preset["story"], maxsplit=1)
        st.markdown(first)
        st.caption(line(service().data, lab, name))
        for more in rest:
            with st.expander("More"):
                st.markdown(more)
                st.caption(" · ".join(facts(lab, preset)))
        with st.container(horizontal=True, vertical_alignment="bottom"):
            one, icon = ("Break it", "bolt") if preset["kind"] == "breaks" else ("Run it", "play_arrow")
            many = len(arms_of(lab, name))
            if preset["grid"]:
                _button(f"Compare {many}", "compare_arrows", "arms", lab, name, type="primary")
            elif preset["twin"]:
                both, healing = ("Break it and cure it", "healing") if preset["kind"] == "breaks" else ("Run both", "compare_arrows")
                _button(one, icon, "break", lab, name)
                _button(both, healing, "cure", lab, name, type="primary")
            else:
                _button(one, icon, "break", lab, name, type="primary")
            seeds(lab, name)
            if preset["gpu"] and gpus():
                st.toggle("on the GPU, larger", key=f"gpu_{key}")
        refused = st.session_state.pop(f"refused_{key}", "")
        if refused:
            st.error(plain(refused), icon=":material/error:")


def _chart(lab: Mapping[str, Any], preset: Mapping[str, Any]) -> str:
    """What the picture draws, in words: the title of the chart that decides."""
    name = (preset["decides"] or {}).get("chart", "")
    known = service().labs()
    chart = charts(() if known["state"] == "computing" else known.get("charts"))[0].get(name)
    return chart.title if chart else preset["deciding"]


def seeds(lab: Mapping[str, Any], name: str) -> None:
    """`× N seeds`: everything that the card starts, with several seeds, as one comparison; how many and how long before the press."""
    key = f"{lab['lab']}_{name}"
    with st.popover("× seeds", key=f"seeds_{key}", on_change="rerun") as opened:
        if not opened.open:
            return
        count = int(st.segmented_control("Seeds", SEEDS, default=SEEDS[1], required=True, key=f"count_{key}") or SEEDS[1])
        try:
            declared = declarations(lab, name, range(count))
            st.markdown(" ".join(sentences([Arm(one, "") for one in declared], of_many(service().data, declared))))
        except KnobError as error:
            st.error(plain(error), icon=":material/error:")
            return
        if st.button("Launch and compare", icon=":material/compare_arrows:", type="primary", key=f"launch_seeds_{key}"):
            started, message = _started(lambda: service().launch_many(declared, who=who()))
            if started:
                st.switch_page("compare.py", query_params={"run": ",".join(started)})
            st.error(plain(message), icon=":material/error:")


def _button(label: str, icon: str, what: Literal["break", "cure", "arms"], lab: Mapping[str, Any], name: str, **options: Any) -> None:
    """A press is answered before the page would be made again, since the person is about to leave it (`leave`)."""
    key = f"{lab['lab']}_{name}"

    def pressed() -> None:
        preset = lab["presets"][name]["gpu"] if st.session_state.get(f"gpu_{key}") else name
        begun = start_arms(lab, name) if what == "arms" else start(lab["lab"], preset, what == "cure")
        st.session_state["started"], st.session_state[f"refused_{key}"] = begun

    st.button(label, icon=f":material/{icon}:", key=f"{what}_{key}", on_click=pressed, **options)


def start_arms(lab: Mapping[str, Any], name: str) -> tuple[list[str], str]:
    """Start every arm of a ladder with the same seed -> as `start`."""
    return _started(lambda: service().launch_many(declarations(lab, name), who=who()))


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
