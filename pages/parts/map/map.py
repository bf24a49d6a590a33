"""The map as a Streamlit component: Python says what the cells have in common, the browser asks /panel for tiles and zooms.

No zoom runs the page again.  The chosen cell waits in the form around the component until it is sent (`setStateValue` inside a form), and
the component writes the address of the page, which nobody else does on this page.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pages.parts.charts.prefix import prefix
from pages.parts.own_component import own_component

SCRIPTS = (
    "charts/chart_look.js",
    "charts/live_ask.js",
    "map/colours.js",
    "map/theory_line.js",
    "map/map_view.js",
    "map/hands.js",
    "graph/keep_address.js",
    "map/map.js",
)
KEY = "map"
WHOLE = {"centre_x": 300.0, "centre_y": 100.0, "decades": 5.0}

_mount = own_component("map", *SCRIPTS, style="map/map.css")


def enter_map(
    panels: tuple[str, str, str], axes: tuple[str, str], knobs: Mapping[str, Any], tile: int, address: Sequence[tuple[str, str]], theme: str
) -> dict[str, str]:
    """Mount the map -> the knobs of the cell that was chosen when the form was last sent, as text; {} for none.

    `panels`: those that compute tiles, the loss of one cell and the theory line.  `axes`: the knobs to the right and upwards.  `knobs`:
    flat, of every cell.  `tile`: cells on a side of the largest tile.  `address`: what the address of the page says beside the view.
    """
    data = {
        "panel": panels[0],
        "curve": panels[1],
        "edge": panels[2],
        "x": axes[0],
        "y": axes[1],
        "knobs": dict(knobs),
        "tile": tile,
        "address": [list(pair) for pair in address],
        "prefix": prefix(),
        "theme": theme,
        **WHOLE,
    }
    state = _mount(key=KEY, data=data)
    try:
        cell = json.loads(state["cell"]) if "cell" in state else {}
    except ValueError:  # nothing chosen
        return {}
    return {str(name): str(value) for name, value in cell.items()}
