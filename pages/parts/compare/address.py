"""What the address of a comparison says: which runs, and what was chosen; a word that fits nothing gets one sentence."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import streamlit as st

from engine.compare.arms import MOST_RUNS, Arms
from engine.runs.folder import run_folder
from engine.runs.sweep_file import Sweep, SweepUnreadable, member_runs, read_sweep
from engine.server.service import service
from pages.parts.plain import code, plain

MISSING_NAMED = 5
NUMBER = re.compile(r"-?\d{1,19}(\.\d+)?(e[+-]?\d\d?)?")
LARGEST = 2.0**62  # steps


def sweep_of_address() -> Sweep | None:
    """The sweep that the address names, if it can be read; what is wrong with it is said on the page."""
    wanted = st.query_params.get("sweep", "")
    if not wanted:
        return None
    try:
        return read_sweep(service().data, wanted)
    except KeyError:
        st.error(f"There is no sweep {code(wanted)} in this lab's data folder; it may have been deleted.", icon=":material/search_off:")
    except SweepUnreadable as error:
        st.error(plain(error), icon=":material/error:")
    return None


def runs_of_address(sweep: Sweep | None) -> list[str]:
    """The runs that the address names and that exist, those of the sweep first; what is wrong with it is said on the page."""
    members = member_runs(service().data, sweep).values() if sweep else ()
    wanted = [run for run in dict.fromkeys([*members, *st.query_params.get("run", "").split(",")]) if run]
    there, missing = [], []
    for run in wanted[:MOST_RUNS]:
        try:
            run_folder(service().data, run)
            there.append(run)
        except KeyError:
            missing.append(run)
    if missing:
        rest = len(missing) - MISSING_NAMED
        named = ", ".join(map(code, missing[:MISSING_NAMED])) + (f" and {rest} more" if rest > 0 else "")
        st.error(f"There is no run {named} in this lab's data folder; it may have been deleted.", icon=":material/search_off:")
    if len(wanted) > MOST_RUNS:
        st.warning(f"The page compares the first {MOST_RUNS} of the {len(wanted)} runs in its address.", icon=":material/info:")
    return there


def zoom_of_address() -> tuple[int, int] | None:
    """First and last step that the curves show; None for all, and for what is no range."""
    ends = [float(end) for end in st.query_params.get("zoom", "").split(",") if NUMBER.fullmatch(end)]
    return (math.floor(ends[0]), math.ceil(ends[1])) if len(ends) == 2 and -LARGEST < ends[0] < ends[1] < LARGEST else None


def level_of_address(metric: str) -> float | None:
    """The threshold that the address gives; None without one.  It goes when another metric is chosen, and what is no number is said."""
    before, st.session_state["threshold_of"] = st.session_state.get("threshold_of", metric), metric
    given = st.query_params.get("threshold")
    if given is None or before != metric:
        st.query_params.pop("threshold", None)
        return None
    if not NUMBER.fullmatch(given):
        st.error(f"The address says {code(f'threshold={given}')}, which is no number such as 0.05 or 1e-3; the slider gives another.")
        return None
    return float(given)


def choice(
    label: str, name: str, options: Sequence[str], default: str, *, names: Callable[[str], str] = str, width: int = 260, help: str = ""
) -> str:
    """A select box whose value stands in the address under `name`; one of which nothing fits gets one sentence and the default."""
    given = st.query_params.get(name)
    if given is not None and given not in options:
        some = ", ".join(map(code, options[:6])) + (", …" if len(options) > 6 else "")
        st.error(f"The address says {code(f'{name}={given}')}, and there is no such {plain(label.lower())} here; there are {some}.")
    if st.session_state.get(name) not in (*options, None):
        st.session_state.pop(name, None)  # of another comparison
    shown = st.selectbox(
        label,
        list(options),
        index=list(options).index(default),
        format_func=names,
        key=name,
        bind="query-params",
        width=width,
        help=help or None,
    )
    return shown if shown in options else default


def default_metric(lab: Mapping[str, Any] | None, presets: Sequence[str | None], keys: Sequence[str]) -> str:
    """What is compared unless a person chooses: the deciding metric of a preset that the runs share, the lab's headline, a loss."""
    of = lab or {"presets": {}}
    families = {(of["presets"].get(preset) or {}).get("broken") or preset for preset in presets if preset}
    deciding = (of["presets"].get(families.pop()) or {}).get("deciding") if len(families) == 1 else ""
    wanted = [deciding, *of.get("headline", ()), "loss/validation", "loss/train"]
    return next((key for key in wanted if key in keys), keys[0])


def knob_choices(arms: Arms) -> list[str]:
    """What arms can be compared by: any difference, or one knob where several differ."""
    return ["", *arms.heads] if len(arms.heads) > 1 else [""]
