"""The run page: one run, or twins on the same charts, live.  `?run=a,b` names them."""

import contextlib
import re
from typing import Any

import streamlit as st

from engine.declare.records import cures, listed
from engine.labs.chart import GROUPS, Chart, charts, group_of
from engine.labs.verdict import Verdict
from engine.runs.ending import ENDED
from engine.runs.folder import run_folder
from engine.runs.series import SeriesInfo, series_key, split_key
from engine.server.service import service
from pages.parts.charts import run_styles as looks
from pages.parts.charts.live_chart import live_chart
from pages.parts.charts.pictures import pictures_now, strips
from pages.parts.charts.pointer import point
from pages.parts.charts.redraw import redrawn, sentences, tables
from pages.parts.charts.rows import in_rows
from pages.parts.charts.toolbar import toolbar
from pages.parts.plain import code, plain
from pages.parts.runs import details, film
from pages.parts.runs.controls import together
from pages.parts.runs.expected import expected, of_an_earlier_run, of_chart, of_run
from pages.parts.runs.header import cost, head
from pages.parts.runs.jobs import jobs
from pages.parts.runs.measured import measured
from pages.parts.runs.orders import asking, waits_for_an_answer
from pages.parts.runs.story import family, story
from pages.parts.runs.strip import strip
from pages.parts.runs.verdicts import deciding_of, verdict_of

MOST_RUNS = 8  # more cannot be told apart
LOOK_HERE = ":material/visibility: **Look here first**: it shows on this chart."
HEADINGS = {"training": "Training", "mechanism": "Mechanism", "samples": "Samples", "events": "Events"}

asked = [run for run in dict.fromkeys(st.query_params.get("run", "").split(",")) if run]

# -- nothing to show ---------------------------------------------------------------------------------

if not asked:
    st.title("No run chosen")
    here = "Pick one of the latest runs here, or start one" if service().store.runs() else "There is no run yet. Start one"
    st.markdown(f"{here} in the gallery.")
    st.page_link("home.py", label="Go to the gallery", icon=":material/grid_view:")
    jobs()
    st.stop()

found, declared, missing = {}, [], []
for run in asked[:MOST_RUNS]:
    try:
        found[run] = run_folder(service().data, run)
        declared.append(found[run].spec() or {})
    except KeyError:
        missing.append(run)
declared = [spec for spec in declared if spec]  # the others were deleted between two looks
if not declared:
    st.title("No such run")
if missing:
    st.error(
        f"There is no run {', '.join(map(code, missing))} in this lab's data folder; it may have been deleted.",
        icon=":material/search_off:",
    )
if len(asked) > MOST_RUNS:
    st.warning(f"The page shows the first {MOST_RUNS} of the {len(asked)} runs in its address.", icon=":material/info:")
if not declared:
    st.page_link("home.py", label="Go to the gallery", icon=":material/grid_view:")
    jobs()
    st.stop()

# -- what is on the page -----------------------------------------------------------------------------

specs = looks.ordered(declared)
folders = [found[spec["run"]] for spec in specs]
known = service().labs()
labs = {one["lab"]: one for one in known["labs"]}
lab = labs.get(specs[0]["lab"])
labs_of_page = list(dict.fromkeys(spec["lab"] for spec in specs))
theme = st.context.theme.type or "light"

shown = story(specs, labs)
decides = deciding_of(labs.get(specs[0]["lab"]), specs[0]) if shown.preset else deciding_of(None, specs[0])
catalog, unreadable = charts(() if known["state"] == "computing" else known.get("charts"))
at_first = of_chart(catalog.get(decides["chart"]), decides["metric"])  # whatever the knobs are
young = {  # what they will have, of runs that go on
    spec["run"]: of_an_earlier_run(labs.get(spec["lab"]), spec) or expected(labs.get(spec["lab"]), known["probes"], spec)
    for folder, spec in zip(folders, specs, strict=True)
    if folder.status() not in ENDED
}


def series_now() -> dict[str, tuple[SeriesInfo, ...]]:
    """What each run has measured so far; a young run counts as having what its preset measures."""
    out = {}
    for folder in folders:
        stored = of_run(folder.run)
        have = {(s.name, s.layer) for s in stored}
        early = [] if folder.status() in ENDED else [*young.get(folder.run, []), *at_first]
        out[folder.run] = (*stored, *(s for s in early if (s.name, s.layer) not in have))
    return out


def shape_now() -> tuple[frozenset[tuple[str, ...]], frozenset[str], frozenset[str]]:
    """What decides which charts and pictures there are, and which runs have ended: when it changes, the page is made again.

    -> named series and pictures; runs that have ended; runs of which the index has everything.
    """
    named = frozenset((run, series_key(s.name, s.layer), *map(str, s.shape)) for run, series in series_now().items() for s in series)
    drawn = frozenset((folder.run, f"image {name}") for folder in folders for name in service().store.pictures(folder.run))
    ended = frozenset(folder.run for folder in folders if folder.status() in ENDED)
    return named | drawn, ended, frozenset(run for run in ended if service().store.state(run)["status"] in ENDED)


def show(run: str) -> dict[str, Any] | None:
    """What `show` says of a run; None for one that was deleted meanwhile."""
    with contextlib.suppress(KeyError):
        return service().store.show(run)
    return None


def verdicts_now() -> dict[str, Verdict]:
    """The verdict on each run."""
    return {folder.run: verdict_of(folder, spec, labs.get(spec["lab"])) for folder, spec in zip(folders, specs, strict=True)}


drawn = shape_now()
living = len(drawn[1]) < len(folders)
unread = len(drawn[2]) < len(folders)  # ended, but the index has not caught up
run_styles = looks.run_styles(specs, series_now(), theme, cure=bool(lab) and cures(lab, family(lab, specs[0].get("preset"))))

# -- head --------------------------------------------------------------------------------------------

with st.container(key="run_head", gap="xsmall"):
    st.title(shown.title)
    if shown.sentence:
        st.caption(shown.sentence)
verdicts = verdicts_now()
pointers = {run: verdict.pointer for run, verdict in verdicts.items()}


# buttons for all of several runs keep their place when but one of them is left
lived = len(folders) > 1 and (living or bool(st.session_state.get(f"lived_{','.join(found)}")))
st.session_state[f"lived_{','.join(found)}"] = lived


def heads() -> None:
    standing = {folder.run: folder.status() for folder in folders}
    now = verdicts_now()
    with st.grid(columns=min(2, len(folders)), min_column_width=340, gap="small"):
        for run_style, folder in zip(run_styles, folders, strict=True):
            with st.container(gap="xsmall"):
                head(run_style, folder, list(standing), keys=len(folders) == 1)
                strip(run_style, now[folder.run], ended=folder.run in drawn[2])
    if lived:
        with st.container(key="together"):
            together(standing)
    moved = {run: verdict.pointer for run, verdict in now.items()} != pointers
    if waits_for_an_answer():
        return
    if moved or shape_now() != drawn or service().labs()["state"] != known["state"]:
        st.rerun()


waiting = living or unread or known["state"] == "computing"
st.fragment(heads, run_every=1 if waiting else None)()


def gone() -> None:
    """Runs were deleted: the others stay on the page."""
    left = [folder.run for folder in folders if folder.path.exists()]
    st.switch_page("run.py" if left else "runs.py", query_params={"run": ",".join(left)} if left else None)


asking(gone)

# -- charts ------------------------------------------------------------------------------------------

fitting = {name: chart for name, chart in catalog.items() if chart.fits(run_styles)}
layers = list(
    dict.fromkeys(
        layer for c in fitting.values() if c.layered for need in c.needs for run_style in run_styles for layer in run_style.layers(need)
    )
)
grows = [run_style.run for run_style in run_styles if run_style.run not in drawn[1]]
first = next((name for name in (decides["chart"], "losses") if name in fitting), next(iter(fitting), ""))
zoom = [float(end) for end in st.query_params.get("zoom", "").split(",") if re.fullmatch(r"-?\d{1,19}(\.\d+)?(e[+-]?\d\d?)?", end)]


def zoomed(range: list[float] | None) -> None:
    """The visible range goes into the address."""
    if range:
        st.query_params["zoom"] = ",".join(repr(float(end)) for end in range)
    else:
        st.query_params.pop("zoom", None)


def plot(name: str, chart: Chart, modes: dict[str, Any]) -> None:
    """One chart: a skeleton that the browser fills, or a whole figure, made again once a second while a run goes on."""
    whole = chart.live == "redraw"
    figure, frames = (
        redrawn(name, chart, run_styles, modes["layer"], theme, film.step_now())
        if whole
        else (chart.figure(run_styles, {}, {}, modes["layer"]), {})
    )
    if name == first and not whole and modes["x"] == "step":
        figure = point(figure, run_styles, pointers, theme)
    live_chart(
        name,
        figure,
        [run_style.run for run_style in run_styles],
        modes,
        living=grows,
        log=chart.log,
        redraw=whole,
        moment=chart.live == "moment",
        range=zoom if len(zoom) == 2 else None,
        jump=st.session_state.get("jumps", 0),
        theme=theme,
        on_zoom=zoomed,
    )
    if whole:
        sentences(chart, run_styles, frames)
        tables(chart, run_styles, frames, modes["layer"])


def card(name: str, modes: dict[str, Any]) -> None:
    """One chart with its title and what is seen on it."""
    chart = fitting[name]
    where = f" :gray[:small[in {plain(modes['layer'])}]]" if chart.layered and modes["layer"] else ""
    about = " ".join([chart.about, *filter(None, [(lab or {}).get("chart_notes", {}).get(name)])])
    with st.container(border=True, gap="xsmall", height="stretch", key=f"card_{name}"):
        st.markdown(f"##### {chart.title}{where}")
        st.caption(LOOK_HERE if name == first else about)
        again = 1 if chart.live == "redraw" and unread and not modes["paused"] else None
        st.fragment(plot, run_every=again)(name, chart, modes)
        if name == first:
            st.caption(about)


@st.fragment
def board() -> None:
    """The deciding chart first and wide, beside it the schematic; then the switches, and all other charts under their headings."""
    top = st.container(key="deciding")
    modes = toolbar(layers, living=living, layer=split_key(decides["metric"])[1])
    one_lab = len(labs_of_page) == 1
    filmed, undrawable = film.film_of(specs[0]["lab"], run_styles, specs, modes["layer"], living=grows) if one_lab else (None, [])
    with top:
        left, right = st.columns([11, 9]) if filmed else (st.container(), None)
        if first:
            with left:
                card(first, modes)
        if filmed and right:
            with right:
                film.drawing(filmed, living=grows)
    film.scrubbing(run_styles, living=grows)
    st.fragment(lambda: cost(folders[0]), run_every=2 if living else None)()
    for group in GROUPS:
        names = [name for name, chart in fitting.items() if name != first and group_of(chart) == group]
        if names:
            st.markdown(f"#### {HEADINGS[group]}")
            pairs, wide = in_rows(names, fitting)
            with st.grid(columns=2, min_column_width=420, gap="small"):
                for name in pairs:
                    card(name, modes)
            for name in wide:
                card(name, modes)
    film.could_not_be_read(undrawable)


if known["state"] == "computing":
    st.info("The charts are drawn as soon as the labs have been read.", icon=":material/hourglass_empty:")
else:
    board()

# -- the rest ----------------------------------------------------------------------------------------

strips(run_styles, pictures_now(run_styles), living=grows)
film.could_not_be_read(unreadable)

if looks.twins(specs):
    st.markdown(details.difference(specs))
with st.container(horizontal=True):
    if len(specs) > 1 and len(labs_of_page) == 1:
        label = f"Compare {listed([plain(run_style.label) for run_style in run_styles])}"
        st.page_link("compare.py", label=label, icon=":material/compare:", query_params={"run": ",".join(found)})
    for one in (labs[name] for name in labs_of_page if name in labs):
        whose = "this lab" if len(labs_of_page) == 1 else plain(one["title"])
        st.page_link("lab.py", label=f"Remedies and panels of {whose}", icon=":material/science:", query_params={"lab": one["lab"]})
if lab and shown.preset:
    preset = lab["presets"][shown.preset]
    with st.expander("What to look for, and what was measured", icon=":material/visibility:", width=900):
        if not shown.own:
            here = "here knobs are changed" if shown.known else "whether the runs here have its knobs cannot be known"
            st.caption(f"This is said and measured of the preset as it is; {here}.")
        st.markdown("\n\n".join(filter(None, [shown.rest, preset["see"]])))
        measured(lab, shown.preset, {spec["run"]: spec.get("preset") for spec in specs if spec["run"] in drawn[2]}, show)
st.fragment(details.below)(run_styles, specs, folders, lab)
