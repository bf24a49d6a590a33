"""`?run=ID&charts=N`: N live charts of one scalar each, made of the same parts as those of the run page; `&film=1`: above them its film."""

import streamlit as st

from engine.labs.chart import RunStyle, blank
from engine.labs.common.traces import line, marks
from engine.labs.moe.schematics.experts import Experts
from engine.server.service import service
from pages.parts.charts.live_chart import live_chart
from pages.parts.charts.schematic import panes_of, schematic
from pages.parts.runs import film
from pages.parts.runs.expected import of_run
from tests.support.made_runs import LAYER

st.set_page_config(layout="wide")
run, many = st.query_params["run"], int(st.query_params["charts"])
look = RunStyle(run, series=of_run(run))
if st.query_params.get("film"):
    panes = panes_of(Experts(), [look], [service().store.show(run) | {"run": run}], LAYER, [run])
    schematic(Experts(), panes, [look], [run])
    film.scrubbing([look], living=[run])
columns = st.columns(min(4, many))
for n in range(many):
    figure = blank(y_title=f"metric {n}", height=280)
    figure.add_traces(line(look, {}, f"metric/{n}"))
    marks(figure, [look], {}, {})
    with columns[n % len(columns)]:
        live_chart(
            f"metric_{n}",
            figure,
            [run],
            {"axis": "linear", "x": "step", "smoothing": 0.0, "layer": "", "paused": False},
            living=[run],
            log=False,
            range=None,
            theme="light",
            on_zoom=lambda _: None,
        )
