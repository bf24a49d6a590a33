"""How the runs of a page look: fixed colours; twins share a hue, dotted for the broken or unchanged one and solid for the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from engine.declare.knobs import unnest
from engine.labs.chart import RunStyle
from engine.runs.series import SeriesInfo
from pages.parts.words import title

COLOURS = {  # Okabe and Ito, each at least 3:1 on its background
    "light": ("#0072B2", "#D55E00", "#00805C", "#B5588C", "#8A6D00", "#555555"),
    "dark": ("#56B4E9", "#E8722A", "#2FBF97", "#CC79A7", "#E69F00", "#BBBBBB"),
}


NOTHING = ("", "none", None)  # what a knob says with which nothing is changed


def cured(spec: Mapping[str, Any]) -> bool:
    return "_cured" in (spec.get("preset") or "")


def second(spec: Mapping[str, Any], specs: Sequence[Mapping[str, Any]]) -> bool:
    """Of twins the cured one or, where both have one preset, the one that changes something of which the other says nothing."""
    twin = next((other for other in specs if other["run"] == spec.get("twin")), None)
    if twin is None or cured(spec) != cured(twin):
        return cured(spec)
    own, others = unnest(spec["knobs"]), unnest(twin["knobs"])
    return any(own[name] not in NOTHING and others.get(name, "") in NOTHING for name in own)


def twins(specs: Sequence[Mapping[str, Any]]) -> bool:
    """True for exactly two runs that name each other."""
    return len(specs) == 2 and specs[0].get("twin") == specs[1]["run"]


def ordered(specs: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The broken or unchanged twin before the other one; everything else as asked for."""
    return sorted(specs, key=lambda spec: second(spec, specs)) if twins(specs) else list(specs)


def run_styles(specs: Sequence[Mapping[str, Any]], series: Mapping[str, Sequence[SeriesInfo]], theme: str) -> list[RunStyle]:
    """One look per run, in the order of `specs`."""
    colours = COLOURS.get(theme, COLOURS["light"])
    colour_of: dict[str, int] = {}  # which colour a run has; twins share one
    out: list[RunStyle] = []
    for spec in specs:
        run, twin = spec["run"], spec.get("twin")
        paired = any(other["run"] == twin for other in specs)
        colour_of[run] = colour_of[twin] if twin in colour_of else len(set(colour_of.values()))
        again = colour_of[run] >= len(colours)  # more runs than colours: the second round is dashed
        dash = "dot" if paired and not second(spec, specs) else "dash" if again else "solid"
        out.append(RunStyle(run, label(spec, specs), colours[colour_of[run] % len(colours)], dash, tuple(series.get(run, ()))))
    return out


def label(spec: Mapping[str, Any], specs: Sequence[Mapping[str, Any]]) -> str:
    if twins(specs):
        names = ("unchanged", "changed") if cured(specs[0]) == cured(specs[1]) else ("broken", "cured")
        return names[second(spec, specs)]
    named = title(spec.get("preset") or spec["lab"]).replace("<", "‹")  # plotly.js would read a tag
    return named if len(specs) == 1 else f"{named} {spec['run'][-4:]}"
