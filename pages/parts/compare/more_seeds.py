"""The button that adds seeds: every arm gets the seeds that it lacks, and a few more, as ordinary runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from engine.compare.arms import MOST_RUNS, Arms
from engine.compare.more import missing
from engine.declare.resolve import Declaration, KnobError, LabJson, declaration
from engine.declare.revise import changes, request_of
from engine.runs.sweep_file import Sweep, SweepUnreadable
from engine.scheduler.control import Refused
from engine.scheduler.estimate import of_many
from engine.scheduler.preview import sentences
from engine.scheduler.sweeps import Arm as Member
from engine.server.service import service
from engine.statistics.sentences import MORE
from engine.statistics.sequence import LONGEST
from pages.parts.plain import plain
from pages.parts.who import who

Spec = Mapping[str, Any]


def more_seeds(arms: Arms, specs: Mapping[str, Spec], standing: Mapping[str, str], lab: LabJson | None, sweep: Sweep | None = None) -> None:
    """The button, with how many runs it starts; the page then shows them too."""
    wanted = missing(arms, standing)
    at = len({key for _, key in wanted} | {key for arm in arms.arms for key in arm.runs})
    total = sum(len(arm.runs) + len(arm.repeats) for arm in arms.arms) + len(wanted)
    why = ""
    if lab is None:
        why = "The lab of these runs cannot be read now."
    elif not wanted:
        why = f"Every arm has its {LONGEST} seeds, where the series ends."
    elif total > MOST_RUNS:
        why = f"With {len(wanted)} more there would be {total} runs; a comparison holds {MOST_RUNS}."
    with st.container(horizontal=True, vertical_alignment="center"):
        why, long = (why, "") if why or lab is None else _before(arms, specs, standing, wanted, lab)
        pressed = st.button(f"{MORE} more seeds", icon=":material/add:", disabled=bool(why), help=why or None, key="more_seeds")
        st.caption(why or f"Starts {len(wanted)} runs, so that every arm has the same {at} seeds: {long}")
    if pressed and lab is not None:
        _launch(arms, specs, wanted, lab, sweep)


def _before(
    arms: Arms, specs: Mapping[str, Spec], standing: Mapping[str, str], wanted: Sequence[tuple[str, Any]], lab: LabJson
) -> tuple[str, str]:
    """-> (why they cannot be run, how many they are and how long they take as far as step times are measured); one of them is empty.

    What a step costs does not go by the seed, so one declaration of an arm stands for all of its runs; reckoned again when a run moves on.
    """
    memory, of = st.session_state.setdefault("more_seeds_take", {}), (tuple(wanted), tuple(standing.items()))
    if memory.get("of") != of:
        try:
            one_of = {name: _declared(arms, specs, name, key, lab) for name, key in dict(wanted).items()}
            new = [Member(one_of[name], "") for name, _ in wanted]
            words = "", " ".join(sentences(new, of_many(service().data, [member.declared for member in new])))
        except KnobError as error:
            words = plain(error), ""
        memory.update(of=of, words=words)
    return memory["words"]


def _declared(arms: Arms, specs: Mapping[str, Spec], name: str, key: Sequence[int], lab: LabJson) -> Declaration:
    """The declaration of an arm with another seed.  KnobError, in one sentence, where the lab knows it no more."""
    arm = arms.arm(name)
    spec = specs[next(iter(arm.runs.values()))]
    if "edition" in arm.knobs and arm.knobs["edition"] != lab.get("edition", 1):
        raise KnobError(f"The runs of {name} are of an older edition of the lab, which cannot be run any more.")
    preset, knobs, lost = request_of(lab, spec)
    if lost:
        raise KnobError(f"The lab has changed since the runs of {name} and no longer knows {', '.join(lost)}.")
    knobs |= {"seed": key[0], "data_seed": None if key[1] == key[0] else key[1]}
    return declaration(lab, preset, changes(declaration(lab, preset, {}), knobs))


def _launch(arms: Arms, specs: Mapping[str, Spec], wanted: Sequence[tuple[str, Any]], lab: LabJson, sweep: Sweep | None) -> None:
    """New runs join the sweep of the page, or the address of one that names runs."""
    try:
        declarations = [_declared(arms, specs, name, key, lab) for name, key in wanted]
        if sweep is not None and "run" not in st.query_params:
            service().extend_sweep(sweep, declarations, who=who())
            st.rerun()
        new = service().launch_many(declarations, who=who())
    except (KnobError, Refused, SweepUnreadable, OSError) as error:
        st.error(f"Nothing was started. {plain(error)}", icon=":material/error:")
    else:
        st.switch_page("compare.py", query_params={**_kept(), "run": ",".join([*specs, *new])})


def _kept() -> dict[str, str]:
    """What the address says besides the runs."""
    return {name: st.query_params[name] for name in ("metric", "baseline", "by", "axis", "threshold", "zoom") if name in st.query_params}
