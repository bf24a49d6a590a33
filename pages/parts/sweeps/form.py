"""The part of the form that makes a sweep: knobs to vary, how many seeds, and what it comes to before anything starts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import streamlit as st

from engine.core.device import gpus
from engine.declare.knobs import Flat
from engine.declare.resolve import KnobError, RuleBroken
from engine.declare.revise import sweep_command, written
from engine.runs.sweep_file import SweepUnreadable
from engine.scheduler.control import Refused
from engine.server.service import service
from engine.server.sweeps import Preview
from pages.parts.plain import plain
from pages.parts.who import who

Spec = Mapping[str, Any]

MOST_SEEDS = 100
LADDER_SEEDS = 3  # that stand in the form of a ladder; of anything else it is one
HOW = "`a,b,c`, whole numbers `0..4`, or five values from one end to the other `1e-4..1/5`."
CHOSEN = ("question", "option")  # kinds of knobs whose values are chosen, not typed
NOT_VARIED = ("seed", "data_seed", "device", "threads", "probes")


def sweep_form(lab: Mapping[str, Any], preset: str | None, over: Flat, shown: Flat, key: str) -> None:
    """Draw it below the single run.  `over`: what leaves the preset, `shown`: what the fields hold, `key`: of the whole form."""
    ladder = _ladder(lab, preset)
    with st.expander("Sweep: vary knobs and seeds", icon=":material/stacked_line_chart:", expanded=bool(ladder)):
        specs = dict(specs_of_all(lab))
        names = [name for name in specs if name not in NOT_VARIED and not idle(name)]
        vary = st.multiselect(
            "Vary",
            names,
            default=[name for name in ladder if name in names],
            key=f"{key}:vary",
            placeholder="knobs that take several values",
        )
        given: dict[str, Any] = {
            name: value if not isinstance(value, str) else (value,) for name, value in over.items() if name not in vary
        }
        usual = LADDER_SEEDS if ladder else 1
        st.caption(f"Values: {HOW}")
        with st.grid(min_column_width=230, gap="medium"):
            for name in vary:
                given[name] = _values(specs[name], name, ladder.get(name, [shown.get(name, specs[name]["default"])]), key)
            seeds = int(
                st.number_input("× seeds", 1, MOST_SEEDS, usual, key=f"{key}:seeds", help="Each combination is trained with so many seeds.")
            )
        if not vary and seeds == 1:
            st.markdown("Choose knobs to vary, or more than one seed.")
            return
        drawn = _drawn(key) if vary else None
        first = int(shown.get("seed") or 0)
        given["seed"] = f"{first}..{first + seeds - 1}" if seeds > 1 else str(first)
        if any(value == "" for name, value in given.items() if name in vary):
            st.markdown("Give each varied knob at least one value.")
            return
        preview = _preview(lab["lab"], preset, given, drawn, key)
        if preview is not None:
            _launch(preview, given, drawn, key)


def _values(spec: Spec, name: str, values: list[Any], key: str) -> str:
    """The values of one knob, as one would type them."""
    if spec["kind"] in CHOSEN:
        options = [choice["name"] for choice in spec["choices"]]
        picked = st.multiselect(f"Values of {name}", options, default=[one for one in values if one in options], key=f"{key}:values:{name}")
        return ",".join(picked)
    return st.text_input(f"Values of {name}", ",".join(map(written, values)), key=f"{key}:values:{name}").strip()


def _drawn(key: str) -> int | None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        at_random = st.toggle(
            "Points at random", key=f"{key}:random", help="Instead of the whole grid; a knob may then have a range, such as 1e-4..1."
        )
        return int(st.number_input("How many points", 1, 1000, 10, key=f"{key}:points", width=160)) if at_random else None


def _preview(lab: str, preset: str | None, given: Mapping[str, Any], drawn: int | None, key: str) -> Preview | None:
    """What it comes to; what cannot be swept is said instead."""
    leave_out = bool(st.session_state.get(f"{key}:leave_out"))
    try:
        preview = service().sweeps.preview(lab, preset, given, drawn=drawn, leave_out=leave_out)
    except RuleBroken as error:
        st.error(plain(error), icon=":material/error:")
        st.toggle("Leave these combinations out", key=f"{key}:leave_out")
        return None
    except KnobError as error:
        st.error(plain(error), icon=":material/error:")
        return None
    if preview.plan.left_out:
        st.toggle("Leave these combinations out", key=f"{key}:leave_out")
    first, *rest = preview.sentences
    st.markdown(f":material/timer: **{plain(first)}**" + "".join(f"  \n{plain(sentence)}" for sentence in rest))
    return preview


def _launch(preview: Preview, given: Mapping[str, Any], drawn: int | None, key: str) -> None:
    label = f"Launch {preview.new} runs" if preview.new != 1 else "Launch 1 run"
    if st.button(label if preview.new else "Show these runs", icon=":material/play_arrow:", type="primary", key=f"{key}:launch_sweep"):
        try:
            sweep = service().sweeps.launch(preview, who(), drawn)
        except (KnobError, Refused, SweepUnreadable, OSError) as error:
            st.error(f"Nothing was started. {plain(error)}", icon=":material/error:")
        else:
            st.switch_page("runs.py", query_params={"sweep": sweep})
    st.code(sweep_command(preview.plan.lab, preview.plan.preset, given, drawn), language="bash", wrap_lines=True)


def _ladder(lab: Mapping[str, Any], preset: str | None) -> dict[str, list[Any]]:
    entry = lab["presets"][preset] if preset else {}
    return {} if entry.get("arm") else dict(entry.get("grid") or {})


def idle(name: str) -> bool:
    """Whether a knob decides nothing on this machine: without a GPU, every run takes the references of the kernels."""
    return name == "kernels" and not gpus()


def specs_of_all(lab: Mapping[str, Any]) -> Iterator[tuple[str, Spec]]:
    """Flat name -> description of every knob, those of all answers included; of one name the first."""
    seen: set[str] = set()
    for spec in lab["knobs"]:
        yield spec["name"], spec
        for choice in spec["choices"]:
            for inner in choice.get("knobs", ()):
                name = f"{spec['name']}.{inner['name']}"
                if name not in seen:
                    seen.add(name)
                    yield name, inner
