"""The run page: one run, or twins on the same charts, live.  `?run=a,b` names them."""

import contextlib
import re
from typing import Any

import streamlit as st

from engine.labs.chart import Chart, charts
from engine.runs.ending import ENDED
from engine.runs.folder import run_folder
from engine.runs.series import SeriesInfo, series_key
from engine.server.service import service
from pages.parts.charts.live_chart import live_chart
from pages.parts.charts.pictures import pictures_now, strips
from pages.parts.charts.redraw import redrawn, sentences, tables
from pages.parts.charts.run_styles import ordered, twins
from pages.parts.charts.run_styles import run_styles as looks_of
from pages.parts.charts.schematic import of_lab as schematic_of
from pages.parts.charts.toolbar import toolbar
from pages.parts.plain import code, plain
from pages.parts.runs import details, film
from pages.parts.runs.controls import together
from pages.parts.runs.header import head, overhead
from pages.parts.runs.jobs import jobs
from pages.parts.runs.measured import measured
from pages.parts.runs.orders import asking
from pages.parts.words import title

MOST_RUNS = 8  # more cannot be told apart
AT_ONCE = ("loss/train", "loss/validation", "grad_norm")  # what every training measures: drawn before the first point

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

specs = ordered(declared)
folders = [found[spec["run"]] for spec in specs]
known = service().labs()
lab = next((lab for lab in known["labs"] if lab["lab"] == specs[0]["lab"]), None)
theme = st.context.theme.type or "light"


def series_now() -> dict[str, tuple[SeriesInfo, ...]]:
    """What each run has measured so far; a young run counts as having what every training measures."""
    out = {}
    for folder in folders:
        known = [
            SeriesInfo(s["name"], s["layer"], s["unit"], s["kind"], tuple(s["shape"] or ())) for s in service().store.names(folder.run)
        ]
        early = () if folder.status() in ENDED else AT_ONCE
        out[folder.run] = (*known, *(SeriesInfo(name) for name in early if not any(s.name == name for s in known)))
    return out


def shape_now() -> tuple[frozenset[tuple[str, str]], frozenset[str], frozenset[str]]:
    """What decides which charts and pictures there are, and which runs have ended: when it changes, the page is made again.

    -> named series and pictures; runs that have ended; runs of which the index has everything.
    """
    named = frozenset((run, series_key(s.name, s.layer)) for run, series in series_now().items() for s in series)
    drawn = frozenset((folder.run, f"image {name}") for folder in folders for name in service().store.pictures(folder.run))
    ended = frozenset(folder.run for folder in folders if folder.status() in ENDED)
    return named | drawn, ended, frozenset(run for run in ended if service().store.state(run)["status"] in ENDED)


def show(run: str) -> dict[str, Any] | None:
    """What `show` says of a run; None for one that was deleted meanwhile."""
    with contextlib.suppress(KeyError):
        return service().store.show(run)
    return None


drawn = shape_now()
living = len(drawn[1]) < len(folders)
unread = len(drawn[2]) < len(folders)  # ended, but the index has not caught up
run_styles = looks_of(specs, series_now(), theme)

# -- head --------------------------------------------------------------------------------------------

preset = (lab or {"presets": {}})["presets"].get(specs[0].get("preset") or "", {})
of_lab = lab["title"] if lab else plain(specs[0]["lab"])
st.title(f"{of_lab}: {plain(title((specs[0].get('preset') or 'own knobs').replace('_cured', '')))}")
with st.container():  # there from the start: an element that came in later would push the charts to new places
    if preset:
        st.markdown(preset["story"])
        with st.expander("What to look for, and what was measured", icon=":material/visibility:", width=900):
            st.markdown(preset["see"])
            measured(lab, specs[0]["preset"], {spec["run"]: spec.get("preset") for spec in specs if spec["run"] in drawn[2]}, show)
    if lab:
        st.page_link("lab.py", label="Remedies and panels of this lab", icon=":material/science:", query_params={"lab": lab["lab"]})


def heads() -> None:
    standing = {folder.run: folder.status() for folder in folders}
    alone = sum(status not in ENDED for status in standing.values()) == 1
    for run_style, folder in zip(run_styles, folders, strict=True):
        head(run_style, folder, list(standing), keys=alone)
    together(standing)
    said = overhead(folders[0].state())
    if said:
        st.caption(said[:1].upper() + said[1:] + ".")
    if shape_now() != drawn or service().labs()["state"] != known["state"]:
        st.rerun()


waiting = living or unread or known["state"] == "computing"
st.fragment(heads, run_every=1 if waiting else None)()
if twins(specs):
    st.markdown(details.difference(specs))
if len(specs) > 1 and len({spec["lab"] for spec in specs}) == 1:
    st.page_link("compare.py", label="Compare these runs", icon=":material/compare:", query_params={"run": ",".join(found)})


def gone() -> None:
    """Runs were deleted: the others stay on the page."""
    left = [folder.run for folder in folders if folder.path.exists()]
    st.switch_page("run.py" if left else "runs.py", query_params={"run": ",".join(left)} if left else None)


asking(gone)

# -- charts ------------------------------------------------------------------------------------------

catalog, unreadable = charts(() if known["state"] == "computing" else known.get("charts"))
fitting = {name: chart for name, chart in catalog.items() if chart.fits(run_styles)}
layers = list(
    dict.fromkeys(
        layer for c in fitting.values() if c.layered for need in c.needs for run_style in run_styles for layer in run_style.layers(need)
    )
)
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
    live_chart(
        name,
        figure,
        [run_style.run for run_style in run_styles],
        modes,
        living=[run_style.run for run_style in run_styles if run_style.run not in drawn[1]],
        log=chart.log,
        redraw=whole,
        range=zoom if len(zoom) == 2 else None,
        theme=theme,
        on_zoom=zoomed,
    )
    if whole:
        sentences(chart, run_styles, frames)
        tables(chart, run_styles, frames, modes["layer"])


drawings = schematic_of(specs[0]["lab"])


@st.fragment
def board() -> None:
    modes = toolbar(layers, living=living)
    grows = [run_style.run for run_style in run_styles if run_style.run not in drawn[1]]
    model = drawings[0] if len({spec["lab"] for spec in specs}) == 1 else None
    if model is not None:
        film.drawing(model, run_styles, specs, modes["layer"], living=grows)
    film.scrubbing(run_styles, living=grows)
    with st.grid(columns=2, min_column_width=420, gap="small"):
        for name, chart in fitting.items():
            where = f" :gray[:small[in {plain(modes['layer'])}]]" if chart.layered and modes["layer"] else ""
            with st.container(border=True, gap="xsmall", height="stretch"):
                st.markdown(f"##### {chart.title}{where}")
                st.caption(" ".join([chart.about, *filter(None, [(lab or {}).get("chart_notes", {}).get(name)])]))
                again = 1 if chart.live == "redraw" and unread and not modes["paused"] else None
                st.fragment(plot, run_every=again)(name, chart, modes)


if known["state"] == "computing":
    st.info("The charts are drawn as soon as the labs have been read.", icon=":material/hourglass_empty:")
else:
    board()
strips(run_styles, pictures_now(run_styles), living=[run_style.run for run_style in run_styles if run_style.run not in drawn[1]])
for error in (*unreadable, *drawings[1]):
    st.error(f"The drawing in {code(error.file)} could not be read: {plain(error.message)}", icon=":material/error:")

st.fragment(details.below)(run_styles, specs, folders, lab)
