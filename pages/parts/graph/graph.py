"""The graph as a Streamlit component: Python says which graph and which rewiring, the browser edits it and asks /panel.

No edit runs the page again.  The edits wait in the form around the component until it is sent (`setStateValue` inside a form), and
the component writes the address of the page, which nobody else does on this page.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pages.parts.charts.prefix import prefix
from pages.parts.own_component import own_component

SCRIPTS = (
    "charts/chart_look.js",
    "charts/live_ask.js",
    "graph/edit_words.js",
    "graph/draw_graph.js",
    "graph/graph_view.js",
    "graph/hands.js",
    "graph/keep_address.js",
    "graph/graph.js",
)
KEY = "graph"

_mount = own_component("graph", *SCRIPTS, style="graph/graph.css")


def touch_graph(
    panel: str, graph: Mapping[str, Any], rewiring: Mapping[str, Any], edits: str, address: Sequence[tuple[str, str]], theme: str
) -> str:
    """Mount the graph -> its edits, as they were when the form was last sent.

    `graph`, `rewiring`: flat knobs of `panel`; another `graph` begins without edits.  `edits`: what it begins with.  `address`: what
    the address of the page says beside them.
    """
    data = {
        "panel": panel,
        "graph": dict(graph),
        "rewiring": dict(rewiring),
        "edits": edits,
        "address": [list(pair) for pair in address],
        "prefix": prefix(),
        "theme": theme,
    }
    state = _mount(key=KEY, data=data)
    return str(state["edits"]) if "edits" in state else edits
