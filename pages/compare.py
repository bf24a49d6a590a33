"""Compare: runs that differ in their seeds and in a knob or more, as one object.  `?run=a,b,…` or `?sweep=ID` names them."""

from collections.abc import Sequence
from dataclasses import replace

import streamlit as st

from engine.compare.arms import ChoiceError
from engine.compare.kinds import about, better, levels
from engine.compare.notes import notes
from engine.compare.overview import chosen, declared, metrics_of
from engine.runs.ending import ENDED
from engine.runs.series import split_key
from engine.server.service import service
from engine.statistics.sentences import figure
from pages.parts.charts.still_chart import still_chart
from pages.parts.charts.toolbar import AXES
from pages.parts.compare.address import (
    choice,
    default_metric,
    knob_choices,
    level_of_address,
    runs_of_address,
    sweep_of_address,
    zoom_of_address,
)
from pages.parts.compare.more_seeds import more_seeds
from pages.parts.compare.picture import ComparisonPicture, Shown, broken_arm, pictures
from pages.parts.compare.reading import Question, answer, levels_between
from pages.parts.compare.said import said
from pages.parts.compare.table import knob_table
from pages.parts.plain import code, plain
from pages.parts.prose import prose

EVERY, EVERY_OF_MANY, MANY = 2, 5, 16  # seconds between two looks while runs go on; runs that are many

st.title("Compare")
store = service().store

# -- which runs, and which arms they make --------------------------------------------------------------

sweep = sweep_of_address()
runs = runs_of_address(sweep)
if not runs:
    prose("compare")
    st.page_link("runs.py", label="Tick runs in the table, then press Compare", icon=":material/table_rows:")
    st.stop()
known = service().labs()
specs = {spec["run"]: spec for spec in declared(service().data, runs)}
for run in runs:
    if run not in specs:
        st.warning(f"The declaration of {code(run)} cannot be read, so it is left out.", icon=":material/lock_clock:")
lab = next((lab for lab in known["labs"] if any(lab["lab"] == spec["lab"] for spec in specs.values())), None)


def stamp_now() -> dict[str, tuple[str, int]]:
    """Run -> status and steps, as far as the index has read them."""
    rows = {row["run"]: (row["status"], row["steps"]) for row in store.runs() if row["run"] in specs}
    return {run: rows.get(run, ("queued", 0)) for run in specs}


stamp = stamp_now()
try:
    arms = chosen(store, list(specs.values()), lab)
except ChoiceError as error:
    st.error(plain(error), icon=":material/error:")
    st.page_link("runs.py", label="Choose other runs", icon=":material/table_rows:")
    st.stop()
keys = tuple(metrics_of(store, arms))
waiting = any(status not in ENDED for status, _ in stamp.values())
if not keys:
    st.info("None of these runs has measured anything yet; this page fills itself when one has.", icon=":material/hourglass_empty:")
    st.fragment(lambda: st.rerun() if metrics_of(store, arms) else None, run_every=EVERY if waiting else None)()
    st.stop()

# -- what is compared ------------------------------------------------------------------------------------

of_lab = plain(lab["title"] if lab else arms.lab)
counted = "1 run" if len(runs) == 1 else f"{len(runs)} runs"
st.markdown(
    f"{counted} of {of_lab} in {len(arms.arms)} arm{'s' * (len(arms.arms) > 1)}. [What may be said](#said) stands below the pictures."
)
with st.expander("How runs are compared", icon=":material/help:"):
    prose("compare")
with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
    metric = choice("Metric", "metric", keys, default_metric(lab, [spec.get("preset") for spec in specs.values()], keys))
    names = [arm.name for arm in arms.arms]
    baseline = (
        choice("Baseline", "baseline", names, names[0], help="The arm that every other one is compared with.") if names[1:] else names[0]
    )
    ways = knob_choices(arms)
    by = choice("Compare by", "by", ways, "", names=lambda name: name or "any difference", width=180) if ways[1:] else ""
    axis = st.segmented_control("Values", list(AXES), default="log", required=True, format_func=AXES.get, key="axis", bind="query-params")
if what := about(known, split_key(metric)[0]):
    st.caption(f"{code(metric)}: {plain(what)}.")
catalog, unreadable = pictures()
above = better(split_key(metric)[0]) == "higher"


def zoomed(range: Sequence[float] | None) -> None:
    """The steps that the curves show go into the address."""
    if range:
        st.query_params["zoom"] = ",".join(repr(float(end)) for end in range)
    else:
        st.query_params.pop("zoom", None)


def picture(name: str, one: ComparisonPicture, shown: Shown, of: object) -> None:
    """One picture; made again only when `of`, what it is made of, has changed."""
    memory = st.session_state.setdefault("compared", {})
    if memory.get(name, (None,))[0] != of:
        memory[name] = (of, one.figure(shown))
    with st.container(border=True, gap="xsmall", height="stretch", key=f"card_{name}"):
        st.markdown(f"##### {one.title}")
        st.caption(one.about)
        hears = zoomed if one.zooms else None
        still_chart(f"compare_{name}", memory[name][1], f"{one.title}. {one.about}", needs_webgl=one.needs_webgl, on_zoom=hears)


def board() -> None:
    """Everything that moves while runs go on; read again only when one of them has moved."""
    now = stamp_now()
    if waiting and (tuple(metrics_of(store, arms)) != keys or all(status in ENDED for status, _ in now.values())):
        st.rerun()
    standing = {run: status for run, (status, _) in now.items()}
    first = answer(store, arms, known, now, Question(metric, baseline, by), keys)
    theme = st.context.theme.type or "light"
    shown = Shown(first.overview, first.curves, None, None, unit_of(metric), axis != "linear", theme, broken=broken_arm(arms, specs))
    knob_table(first.overview, shown.styles, standing)
    for sentence in notes(arms, standing):
        st.caption(plain(sentence))
    more_seeds(arms, specs, standing, lab, sweep)
    wide = [(name, one) for name, one in catalog.items() if one.wide and one.fits(shown)]
    of = (now, metric, baseline, by, shown.log, shown.theme)
    for name, one in wide[:1]:
        within = zoom_of_address() if one.zooms else None
        closer = answer(store, arms, known, now, Question(metric, baseline, by, within=within), keys).curves if within else first.curves
        picture(name, one, replace(shown, curves=closer, within=within), (of, within))
    level = threshold(levels(known, arms.lab, split_key(metric)[0]) or levels_between(first.curves))
    if level is not None:
        times = answer(store, arms, known, now, Question(metric, baseline, by, level, above), keys).times
        shown = replace(shown, times=times, level=level)
    with st.grid(columns=2, min_column_width=420, gap="small"):
        for name, one in catalog.items():
            if not one.wide and one.fits(shown):
                picture(name, one, shown, (of, level))
    for name, one in wide[1:]:
        picture(name, one, shown, of)
    st.header("What may be said", anchor="said")
    said(first.overview.sentences())
    if shown.times is not None:
        with st.expander(f"The same of the {plain(shown.times.metric)}", icon=":material/timer:"):
            said(shown.times.sentences())


def unit_of(key: str) -> str:
    """The unit under which the first run that has the metric described it."""
    return next((one["unit"] for arm in arms.arms for one in store.names(next(iter(arm.runs.values()))) if one["key"] == key), "")


def threshold(some: list[float]) -> float | None:
    """The level of which the steps are told: the one in the address, or chosen on a slider; None where there is nothing to choose."""
    given = level_of_address(metric)
    if not some:
        return None
    ordered = sorted({*some, *([] if given is None else [given])})
    if len(ordered) == 1:
        return ordered[0]

    def chosen_level() -> None:
        st.query_params["threshold"] = repr(st.session_state["threshold"])

    st.session_state["threshold"] = sorted(some)[len(some) // 2] if given is None else given
    words = f"Threshold: the first step at which {metric} is {'at least' if above else 'at most'} this"
    return float(st.select_slider(plain(words), ordered, format_func=figure, key="threshold", on_change=chosen_level, width=420))


def watched() -> None:
    """The board, or one sentence where a run was deleted under it."""
    try:
        board()
    except KeyError as error:
        st.warning(f"{plain(error.args[0])} Load the page again.", icon=":material/search_off:")


st.fragment(watched, run_every=(EVERY if len(runs) <= MANY else EVERY_OF_MANY) if waiting else None)()
for error in unreadable:
    st.error(f"The picture in {code(error.file)} could not be read: {plain(error.message)}", icon=":material/error:")
