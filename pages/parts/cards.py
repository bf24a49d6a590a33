"""Cards of the gallery: a preset with its buttons, a place held for one, a file that could not be read."""

from __future__ import annotations

import re
import statistics
from collections.abc import Callable, Container, Mapping, Sequence
from typing import Any, Literal

import streamlit as st

from engine.core.device import gpus
from engine.declare.records import cures, recorded
from engine.declare.resolve import KnobError, declaration
from engine.scheduler import estimate
from engine.scheduler.control import Refused
from engine.scheduler.estimate import Known
from engine.server.service import service
from pages.parts.gallery.posters import NOTHING, arms_of_preset, poster
from pages.parts.gallery.seeds import want_seeds
from pages.parts.gallery.stills import stills
from pages.parts.plain import code, plain
from pages.parts.who import who
from pages.parts.words import duration, title

What = Literal["break", "cure", "arms"]
KINDS = {"breaks": "breaks the training", "compared": "comparison", "control": "control"}
MOST_RUNS = 8  # that one page of runs shows


def card(
    lab: Mapping[str, Any],
    name: str,
    preset: Mapping[str, Any],
    known: Known = (),
    only: Container[str] | None = None,
    *,
    whole: bool = False,
) -> None:
    """One preset: its recorded picture, one sentence of its story or the `whole`, and what can be started.

    `known`: step times measured here; `only`: charts that may be imported.
    """
    first, rest = (preset["story"], "") if whole else sentences(preset["story"])
    with st.container(border=True, height="stretch", key=f"card_{lab['lab']}_{name}"):
        st.markdown(f"### {title(name)}")
        st.markdown((poster(lab, name, only) or f":small[{NOTHING}]") + stills(lab, name), unsafe_allow_html=True)
        st.markdown(first, help=rest or None)
        st.caption(" · ".join(facts(lab, name, known)))
        key = f"{lab['lab']}_{name}"
        with st.container(horizontal=True, vertical_alignment="bottom"):
            for index, (label, icon, what) in enumerate(presses(lab, name)):
                _button(label, icon, what, lab, name, type="primary" if index else "secondary")
            st.button("× seeds", icon=":material/stacked_line_chart:", key=f"seeds_{key}", on_click=want_seeds, args=(lab["lab"], name))
            if preset["gpu"] and gpus():
                st.toggle("on the GPU, larger", key=f"gpu_{key}")
        refused = st.session_state.pop(f"refused_{key}", "")
        if refused:
            st.error(plain(refused), icon=":material/error:")


def presses(lab: Mapping[str, Any], name: str) -> list[tuple[str, str, What]]:
    """-> (label, icon, what it starts) of every button of a card; only what breaks is called so."""
    preset = lab["presets"][name]
    arms, breaks = arms_of_preset(lab, name), preset["kind"] == "breaks"
    one = ("Break it", "bolt") if breaks else ("Run it", "play_arrow")
    if preset["twin"]:
        both = ("Break it and cure it", "healing") if cures(lab, name) else ("Run both", "compare_arrows")
        return [(*one, "break"), (*both, "cure")]
    if len(arms) > 1:
        return [(f"Compare {min(len(arms), MOST_RUNS)}", "compare_arrows", "arms")]
    return [(*one, "break")]


def _button(label: str, icon: str, what: What, lab: Mapping[str, Any], name: str, **options: Any) -> None:
    """A press is answered before the page would be made again, since the person is about to leave it (`leave`)."""
    key = f"{lab['lab']}_{name}"

    def pressed() -> None:
        preset = lab["presets"][name]["gpu"] if st.session_state.get(f"gpu_{key}") else name
        arms = arms_of_preset(lab, name)[:MOST_RUNS]
        started = start_arms(lab, arms) if what == "arms" else start(lab["lab"], preset, what == "cure")
        st.session_state["started"], st.session_state[f"refused_{key}"] = started

    st.button(label, icon=f":material/{icon}:", key=f"{what}_{key}", on_click=pressed, **options)


def start(lab: str, preset: str | None, both: bool, given: Mapping[str, Any] | None = None) -> tuple[list[str], str]:
    """Start the run, or the pair -> their ids, and one sentence when nothing was started."""
    if both:
        return _started(lambda: service().launch_twins(lab, str(preset), given, who=who()))
    return _started(lambda: (service().launch(lab, preset, given, who=who()),))


def start_arms(lab: Mapping[str, Any], presets: Sequence[str]) -> tuple[list[str], str]:
    """Start one run of each of these presets, all with the same seed, all or none -> as `start`."""
    return _started(lambda: service().launch_many([declaration(lab, name, {}) for name in presets], who=who()))


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


def facts(lab: Mapping[str, Any], name: str, known: Known) -> list[str]:
    """How long one run takes, how hard it is to read, and what kind of preset it is; nothing that nobody measured."""
    preset = lab["presets"][name]
    return [one for one in (how_long(lab, name, known), preset.get("difficulty", ""), KINDS[preset["kind"]]) if one]


def how_long(lab: Mapping[str, Any], name: str, known: Known) -> str:
    """Minutes of one run as measured here, else processor seconds of the recorded runs and on what; "not measured yet" without both."""
    arm = arms_of_preset(lab, name)[0]
    try:
        seconds = estimate.seconds(service().data, declaration(lab, arm, {}), known)
    except KnobError:
        seconds = None
    if seconds:
        return f"{duration(seconds[0])} a run on this machine"
    one = recorded(lab, arm)
    if one is None:
        return "time not measured yet"
    middle = statistics.median(run["cpu_seconds"] for run in one["runs"])
    device = one["environment"]["device"].removeprefix("cpu: ").replace("(R)", "").replace("(TM)", "").removesuffix(" Processor")
    return f"{middle:.0f} CPU-seconds a run on {device}"


def sentences(story: str) -> tuple[str, str]:
    """The first sentence of a story, and the rest of it."""
    first, *rest = re.split(r"(?<=[.!?])\s+", story, maxsplit=1)
    return first, " ".join(rest)


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
