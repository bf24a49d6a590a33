"""From a request for the edge of training to how its sweep grows and to the declarations from which it begins."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.core.suggest import nearest
from engine.declare.axes import ends_of
from engine.declare.resolve import KnobError, LabJson
from engine.declare.sweep import MOST, Plan, of_points, plan, specs_of
from engine.search.lattice import ruled
from engine.search.strategies.edge import HALVINGS, Edge, chosen_lines


def edge_request(
    lab: LabJson, preset: str | None, given: Mapping[str, Any], text: str, *, metric: str = "loss/train"
) -> tuple[Plan, dict[str, Any]]:
    """-> (the runs from which it begins, what the sweep's file holds).

    `text`: KNOB=a..b, the range that is halved.  `given`: other knobs and seeds as of a sweep; those with several values give an edge for
    each combination.  KnobError, in one sentence, for what cannot be.
    """
    knob, sign, values = text.partition("=")
    if not sign or ".." not in values:
        raise KnobError(f'--edge "{text:.60}" is no range of a knob; write --edge lr=1e-4..10 for example.')
    specs = specs_of(lab)
    if knob not in specs:
        raise KnobError(nearest(f"knob of {lab['lab']}", knob, specs))
    if knob in given:
        raise KnobError(f"{knob} was given a value and an edge; give one of them.")
    spec = specs[knob][-1]
    low, high = ends_of(spec, knob, values)
    axis = ruled(spec, knob, low, high, first=2, refine=HALVINGS)
    lines = plan(lab, preset, given)
    setting = {
        "is": "edge",
        "open": True,
        "axis": axis.json(),
        "lines": [one.json() for one in chosen_lines(lines.axes)],
        "halvings": HALVINGS,
        "metric": metric,
    }
    points = Edge(setting).first()
    if len(points) * len(lines.seeds) * (2 + HALVINGS) // 2 > MOST:
        raise KnobError(f"The search would take more than {MOST} runs; give fewer lines or seeds.")
    return of_points(lab, preset, lines.base, points, lines.seeds), setting
