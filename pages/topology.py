"""Touch the graph: edit it, see three numbers of it move, train it as it was and as it is now.  The address carries graph and edits."""

import re
from typing import Any

import streamlit as st

from engine.declare.resolve import KnobError, typed
from engine.declare.revise import written
from engine.server.panels import PanelError
from engine.server.service import service
from pages.parts.cards import leave, start_pair
from pages.parts.graph.graph import touch_graph
from pages.parts.knobs.field import field, question
from pages.parts.needed_panels import needed_panels
from pages.parts.panels import panel_card
from pages.parts.plain import plain
from pages.parts.prose import prose

PANEL, LAB = "topology", "gnn"
BELOW = ("attacks", "edge_work")  # other panels that speak of graphs and of no network
st.title("Touch the graph")
panels = needed_panels("graph", PANEL)
specs = {spec["name"]: spec for spec in panels[PANEL]["knobs"]}
arrives = "topology:graph" not in st.session_state  # the address is as it was given
prose("topology")

# -- which graph, and which edges a rewiring adds -----------------------------------------------------


def first(spec: dict[str, Any], name: str) -> Any:
    """What a field shows when the page is new: what the address says, or the usual value where that cannot be."""
    try:
        return typed(spec, name, st.query_params.get(name, spec["default"]))
    except KnobError as error:
        if arrives:
            st.error(plain(error), icon=":material/error:")
        return spec["default"]


def answered(name: str) -> dict[str, Any]:
    """A question with the knobs of the chosen answer -> flat values."""
    choice = question(specs[name], name, first(specs[name], name), f"topology:{name}")
    st.caption(choice["idea"])
    out = {name: choice["name"]}
    for inner in choice["knobs"]:
        flat = f"{name}.{inner['name']}"
        out[flat] = field(inner, flat, first(inner, flat), f"topology:{choice['name']}:{flat}", slider=True)
    return out


def usual(flat: dict[str, Any]) -> dict[str, Any]:
    """The defaults of these knobs, those of the chosen answers among them."""
    inner = {
        f"{name}.{k['name']}": k
        for name in ("graph", "rewiring")
        for c in specs[name]["choices"]
        if c["name"] == flat.get(name)
        for k in c["knobs"]
    }
    return {name: (specs | inner)[name]["default"] for name in flat}


stage, side = st.columns([2.4, 1], gap="large")  # on a narrow screen the graph comes first
with side:
    graph, rewiring = answered("graph"), answered("rewiring")
    seed = field(specs["seed"], "seed", first(specs["seed"], "seed"), "topology:seed")
    try:
        graph["seed"] = typed(specs["seed"], "seed", seed)
    except KnobError as error:
        graph["seed"] = specs["seed"]["default"]
        st.error(plain(error), icon=":material/error:")
both = graph | rewiring
address = [(name, written(value)) for name, value in both.items() if name == "graph" or value != usual(both)[name]]
linked = re.sub(r"(?<!\S)(?=\d+-\d+(?:\s|$))", "+", st.query_params.get("edits", "").strip())  # a plus in an address means a blank

# -- the graph, and two trainings of it ---------------------------------------------------------------

with stage, st.form("pair", border=False):
    edits = touch_graph(PANEL, graph, rewiring, linked, address, st.context.theme.type or "light")
    pressed = st.form_submit_button("Train both", icon=":material/compare_arrows:", type="primary")
    st.caption(
        "Two runs of the lab with its usual knobs that differ in edits and rewiring alone: on the graph as it was, and as it is now."
    )
if pressed:
    try:
        row = {name: values[0] for name, values in service().panel(PANEL, {**both, "edits": edits})["graph"].items()}
    except (KnobError, PanelError) as error:
        stage.error(f"Nothing was started. {plain(error)}", icon=":material/error:")
        st.stop()
    if not row["edits"] and rewiring["rewiring"] == specs["rewiring"]["default"]:
        stage.warning(
            "Both graphs are the same; add or remove an edge, or choose a rewiring, and press again.", icon=":material/compare_arrows:"
        )
        st.stop()
    depth = {"layers": max(1, row["layers"]), "probes": "dear"}  # of both, or the edited one would be the shallower network
    started, message = start_pair(LAB, {**graph, **depth}, {**rewiring, "edits": row["edits"]})
    leave(started)
    stage.error(plain(message), icon=":material/error:")

# -- what else can be seen of a graph without a network -----------------------------------------------

for name in BELOW:
    if name in panels:
        panel_card(panels[name])
