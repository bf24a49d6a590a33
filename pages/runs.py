"""The table of runs: find, open, lay side by side, stop and delete.  `?lab=`, `?status=` and `?text=` filter it."""

from functools import partial

import streamlit as st

from engine.compare.arms import MOST_RUNS
from engine.runs.ending import ENDED, STATUSES
from engine.server.service import service
from pages.parts.runs.orders import ask_to_delete, asking, order
from pages.parts.runs.run_table import ALWAYS, by_column, matching, table
from pages.parts.sweeps.delete import asking_of_sweep
from pages.parts.sweeps.group import choose_sweep, current, group, runs_of
from pages.parts.words import STATUS

MOST_ROWS = 200  # the newest; a filter brings up the others
MOST_OVERLAID = 8  # on the run page, with all its charts

PICTURES = ("curve", "curve_of")  # columns that order nothing

st.title("Runs")
if not service().store.runs():
    st.info(
        "There is no run yet. Press **Break it** on a card of the gallery, or build one of your own.",
        icon=":material/play_arrow:",
    )
    with st.container(horizontal=True):
        st.page_link("home.py", label="Go to the gallery", icon=":material/grid_view:")
        st.page_link("build.py", label="Build a run", icon=":material/tune:")
    st.fragment(lambda: st.rerun() if service().store.runs() else None, run_every=2)()
    st.stop()

FILTERS = ("text", "lab", "status", "differing", "sweep")
if any(name in st.query_params for name in FILTERS):  # who comes back without an address finds the table as it was left
    st.session_state.pop("runs_filters", None)
elif kept := st.session_state.get("runs_filters"):
    st.query_params.from_dict(kept)
every_lab = "all labs"
with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
    text = st.text_input("Search", key="text", bind="query-params", placeholder="preset, person, seed=1, run", width=260, type="search")
    labs = [every_lab, *sorted({row["lab"] for row in service().store.runs()})]
    lab = st.selectbox("Lab", labs, key="lab", bind="query-params", width=170)
    statuses = st.multiselect(
        "Status",
        STATUSES,
        format_func=lambda status: STATUS[status].word,
        key="status",
        bind="query-params",
        placeholder="any",
        width=260,
    )
    differing = st.toggle(
        "Only columns that differ", key="differing", bind="query-params", help="Shows the knobs in which the listed runs are not the same."
    )

sweep = choose_sweep()
st.session_state["runs_filters"] = {name: st.query_params.get_all(name) for name in FILTERS if name in st.query_params}


def listed() -> None:
    """The table, and what can be done with the rows that are ticked."""
    every = service().store.runs()
    gone = st.session_state.setdefault("deleted_runs", set())
    rows = [row for row in matching(every, "" if lab == every_lab else lab, statuses, text) if row["run"] not in gone]
    knobs: list[str] = []
    if sweep is not None:
        now = current(sweep)
        place = {run: n for n, run in enumerate(runs_of(now).values()) if run is not None}
        group(now, {row["run"]: row["status"] for row in every if row["run"] in place and row["run"] not in gone})
        rows = sorted((row for row in rows if row["run"] in place), key=lambda row: place[row["run"]])
        knobs = [axis.knob for axis in now.axes]
    column, falling = st.session_state.get("runs_order", ("", False))
    if column:
        rows = by_column(rows, column, falling)
    shown = rows[:MOST_ROWS]
    if not shown:
        st.info("No run fits. Take a word out of the search, or choose another status.", icon=":material/filter_alt_off:")
        return
    frame, config = table(shown, differing, knobs)
    sorts = [column] if column in frame.columns else []
    for name in sorts:
        config[name] = config.get(name, {}) | {"label": f"{'↓' if falling else '↑'} {config.get(name, {}).get('label') or name}"}
    bar = st.container(horizontal=True, vertical_alignment="center")
    ids = tuple(row["run"] for row in shown)
    ticked = [n for n, run in enumerate(ids) if run in st.session_state.get("ticked_runs", ())]
    key = f"runs_{hash((ids, differing, column, falling))}"  # rows that move take their ticks along
    selected = st.dataframe(
        frame,
        column_config=config,
        hide_index=True,
        height=min(620, 42 + 35 * len(shown)),
        on_select=partial(_order, key, sorts, falling),
        selection_mode=["multi-row", "single-column"],  # a press on a head orders all rows here: the browser would order texts
        selection_default={"selection": {"rows": ticked, "columns": sorts}},
        key=key,
        alt=f"Table of {len(shown)} runs with status, preset, loss, steps, seed and who started them.",
    )
    chosen = [shown[n] for n in selected["selection"]["rows"] if n < len(shown)]
    st.session_state["ticked_runs"] = [row["run"] for row in chosen]
    if len(rows) > len(shown):
        st.caption(f"The {'first' if column else 'newest'} {len(shown)} of {len(rows):,}; the search finds the others.")
    if differing and frame.width <= len(ALWAYS):
        st.caption("The listed runs have the same knobs.")
    with bar:
        _buttons([row["run"] for row in chosen], {row["run"]: row["status"] for row in chosen})


def _order(key: str, sorts: list[str], falling: bool) -> None:
    """A head that is pressed orders upwards, pressed again downwards, and once more as before."""
    pressed = list(st.session_state[key]["selection"]["columns"])
    if pressed == sorts or set(pressed) & set(PICTURES):
        return
    if pressed:
        st.session_state["runs_order"] = (pressed[0], False)
    elif falling:
        del st.session_state["runs_order"]
    else:
        st.session_state["runs_order"] = (sorts[0], True)


def _buttons(chosen: list[str], status: dict[str, str]) -> None:
    living = [run for run in chosen if status[run] not in ENDED]
    many = len(chosen) > 1
    name, icon = ("Compare", "compare") if many else ("Open", "show_chart")
    if st.button(name, icon=f":material/{icon}:", type="primary", disabled=not 0 < len(chosen) <= MOST_RUNS, key="open_runs"):
        st.switch_page("compare.py" if many else "run.py", query_params={"run": ",".join(chosen)})
    if st.button("Lay over", icon=":material/show_chart:", disabled=not 1 < len(chosen) <= MOST_OVERLAID, key="overlay_runs"):
        st.switch_page("run.py", query_params={"run": ",".join(chosen)})
    if st.button("Duplicate", icon=":material/content_copy:", disabled=len(chosen) != 1, key="duplicate_run"):
        st.switch_page("build.py", query_params={"from": chosen[0]})
    if st.button("Stop", icon=":material/stop:", disabled=not living, key="stop_runs"):
        for run in living:
            order(service().stop_run, run)
    if st.button("Delete", icon=":material/delete:", disabled=not chosen, key="delete_runs"):
        ask_to_delete(chosen)
    if len(chosen) > MOST_RUNS:
        st.caption(f"{len(chosen)} ticked; at most {MOST_RUNS} can be compared.")
    else:
        st.caption(f"{len(chosen)} ticked" if chosen else "Tick rows to open, compare, stop or delete them.")


st.fragment(listed, run_every=2)()
asking()
asking_of_sweep()
