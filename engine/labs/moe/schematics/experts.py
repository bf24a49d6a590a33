"""Bytes that flow through a router into the experts of one layer."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any
from xml.sax.saxutils import escape

from engine.labs.schematic import HEIGHT, Readings, Schematic, framed, moving
from engine.runs.series import series_key

LOAD = "router/load"
TEXT = "def f(x):"  # what Python's standard library is made of
DOTS = 24.0  # a second, of all assignments together
DEAD = 0.1  # of an equal share, as in the metric router/dead_experts
LEFT, RIGHT, TOP, BOTTOM = 150.0, 312.0, 26.0, 188.0  # of the field in which the experts stand
ROUTER = (92.0, 104.0)
MOST = 256


class Experts(Schematic):
    """Each circle is an expert; its area is the share of the step's assignments that it received, and it fades below a tenth of an equal
    share.  The dots on the way to it come as often as it is chosen."""

    labs = ("moe",)
    title = "Where the bytes go"
    about = (
        "Each circle is an expert: its area and the dots that run to it are its share of the tokens; one that gets next to nothing fades."
    )
    needs = (LOAD,)
    layered = True

    def svg(self, knobs: Mapping[str, Any], layer: str = "", first: Readings | None = None) -> str:
        experts = int(knobs["experts"])
        if not 1 <= experts <= MOST:
            return ""
        layer = layer or f"blocks.{int(knobs['layers']) - 1}.moe"
        places, largest = _places(experts)
        router = escape(str(knobs["router"]).replace("_", " ")[:24])
        parts = [_text(), '<path class="fl-way" d="M34 104 H74"/>']
        parts += [_way(expert, x, y, layer) for expert, (x, y) in enumerate(places)]
        parts += [
            f'<path class="fl-part" d="M{ROUTER[0] - 18} {ROUTER[1]} l18 -18 l18 18 l-18 18 z"/>',
            f'<text class="fl-word" x="{ROUTER[0]}" y="{ROUTER[1] + 34}" text-anchor="middle">{router}</text>',
            f'<text class="fl-word" x="{(LEFT + RIGHT) / 2}" y="11" text-anchor="middle">{experts} experts</text>',
        ]
        for expert, (x, y) in enumerate(places):
            drives = [
                ("radius", expert, (0.6, 4.0 * largest), f"sqrt:0:{_number(16 / experts if experts > 16 else 1.0)}"),
                ("opacity", expert, (0.2, 0.85), f"linear:0:{_number(DEAD / experts)}"),
            ]
            parts.append(f'<circle class="fl-node" cx="{x:.1f}" cy="{y:.1f}" r="{largest:.1f}" {moving(LOAD, layer, drives)}/>')
        return framed(parts, f"Bytes go from the text through the router to {experts} experts")

    def sentence(self, knobs: Mapping[str, Any], readings: Readings, layer: str = "") -> str:
        layer = layer or f"blocks.{int(knobs['layers']) - 1}.moe"
        load = readings.get(series_key(LOAD, layer))
        if not isinstance(load, Sequence) or not load:
            return ""
        odd = sum(not math.isfinite(share) for share in load)
        if odd:
            return f"The load of {odd} of {len(load)} experts is not a number: the router's scores are none."
        idle = sum(share < DEAD / len(load) for share in load)
        busiest = max(range(len(load)), key=lambda expert: load[expert])
        shares = f"the busiest, expert {busiest}, gets {100 * load[busiest]:.3g} % where an equal share is {100 / len(load):.3g} %"
        return f"In this batch {idle} of {len(load)} experts get less than a tenth of an equal share; {shares}."


def _places(experts: int) -> tuple[list[tuple[float, float]], float]:
    """Where the experts stand, column by column, and the radius of an equal share."""
    rows = math.ceil(math.sqrt(experts * (BOTTOM - TOP) / (RIGHT - LEFT)))
    columns = math.ceil(experts / rows)
    wide, high = (RIGHT - LEFT) / columns, (BOTTOM - TOP) / rows
    places = [(LEFT + (i // rows + 0.5) * wide, TOP + (i % rows + 0.5) * high) for i in range(experts)]
    return places, round(0.2 * min(wide, high), 1)


def _way(expert: int, x: float, y: float, layer: str) -> str:
    """From the router to one expert, with the dots of its share."""
    start = ROUTER[0] + 18
    path = f"M{start:.1f} {ROUTER[1]} C{(start + x) / 2:.1f} {ROUTER[1]} {(start + x) / 2:.1f} {y:.1f} {x:.1f} {y:.1f}"
    drive = moving(LOAD, layer, [("flow", expert, (0.0, DOTS), "linear:0:1")])
    return f'<path class="fl-way" d="{path}"/><path class="fl-flow" d="{path}" {drive}/>'


def _text() -> str:
    step = 150.0 / len(TEXT)
    cells = [
        f'<rect class="fl-cell" x="12" y="{29 + i * step:.1f}" width="22" height="{step - 3:.1f}" rx="2"/>'
        f'<text class="fl-code" x="23" y="{29 + i * step + step / 2 + 2:.1f}" text-anchor="middle">{letter}</text>'
        for i, letter in enumerate(TEXT)
    ]
    return "".join(cells) + f'<text class="fl-word" x="23" y="{HEIGHT - 8}" text-anchor="middle">bytes</text>'


def _number(value: float) -> str:
    return f"{value:.6g}"
