"""How the runs of a page look: of twins the broken or unchanged one is vermilion and dotted, the other blue; labels from what differs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from engine.declare.knobs import differing, unnest
from engine.labs.chart import RunStyle
from engine.runs.series import SeriesInfo
from pages.parts.words import knob_value, title

COLOURS = {  # Okabe and Ito, each at least 3:1 on its background
    "light": ("#0072B2", "#D55E00", "#00805C", "#B5588C", "#8A6D00", "#555555"),
    "dark": ("#56B4E9", "#E8722A", "#2FBF97", "#CC79A7", "#E69F00", "#BBBBBB"),
}
DASHES = {  # of the broken or unchanged twin, and of all others; in the second round, when the colours are used up
    True: ("dot", "dashdot"),
    False: ("solid", "dash"),
}
MOST_KNOBS = 3  # in a label

NOTHING = ("", "none", None)  # what a knob says with which nothing is changed

Spec = Mapping[str, Any]


def cured(spec: Spec) -> bool:
    return "_cured" in (spec.get("preset") or "")


def second(spec: Spec, specs: Sequence[Spec]) -> bool:
    """Of twins the cured one or, where both have one preset, the one that changes something of which the other says nothing."""
    twin = next((other for other in specs if other["run"] == spec.get("twin")), None)
    if twin is None or cured(spec) != cured(twin):
        return cured(spec)
    own, others = unnest(spec["knobs"]), unnest(twin["knobs"])
    return any(own[name] not in NOTHING and others.get(name, "") in NOTHING for name in own)


def twins(specs: Sequence[Spec]) -> bool:
    """True for exactly two runs that name each other."""
    return len(specs) == 2 and specs[0].get("twin") == specs[1]["run"]


def ordered(specs: Sequence[Spec]) -> list[Spec]:
    """The broken or unchanged twin before the other one; everything else as asked for."""
    return sorted(specs, key=lambda spec: second(spec, specs)) if twins(specs) else list(specs)


def run_styles(specs: Sequence[Spec], series: Mapping[str, Sequence[SeriesInfo]], theme: str, *, cure: bool = True) -> list[RunStyle]:
    """One look per run, in the order of `specs`.  `cure`: of twins of two presets the second one may be called so."""
    colours = COLOURS.get(theme, COLOURS["light"])
    labels = labels_of(specs, cure=cure)
    used: dict[str, int] = {}  # run -> its number among the colours
    out: list[RunStyle] = []
    for spec, label in zip(specs, labels, strict=True):
        run = spec["run"]
        twin = next((other for other in specs if other["run"] == spec.get("twin")), None) or _cure(spec, specs)
        if run not in used:
            _give_colours(spec, twin, specs, used)
        first = twin is not None and not second(spec, specs) and second(twin, specs)
        dash = DASHES[first][min(1, used[run] // len(colours))]
        out.append(RunStyle(run, label, colours[used[run] % len(colours)], dash, tuple(series.get(run, ()))))
    return out


def _cure(spec: Spec, specs: Sequence[Spec]) -> Spec | None:
    """Of two runs that were started one by one, of which one is of a preset that cures: the other one."""
    if len(specs) != 2 or specs[0]["lab"] != specs[1]["lab"] or cured(specs[0]) == cured(specs[1]):
        return None
    return specs[spec is specs[0]]


def _give_colours(spec: Spec, twin: Spec | None, specs: Sequence[Spec], used: dict[str, int]) -> None:
    """The next colour, or to twins the next two: the first of them to the cured or changed one."""
    free = max(used.values(), default=-1) + 1
    if twin is None:
        used[spec["run"]] = free
        return
    last = spec if second(spec, specs) else twin
    used[last["run"]] = free
    used[(twin if last is spec else spec)["run"]] = free + 1


def label(spec: Spec, specs: Sequence[Spec]) -> str:
    """The label of one of `specs`."""
    return labels_of(specs)[[one["run"] for one in specs].index(spec["run"])]


def labels_of(specs: Sequence[Spec], *, cure: bool = True) -> list[str]:
    """A short name for each run: of twins which it is, of one its preset, of several what differs between them."""
    if twins(specs):
        one_preset = cured(specs[0]) == cured(specs[1])
        names = ("unchanged", "changed") if one_preset else ("broken", "cured")
        apart = [] if one_preset or cure else [", ".join(_apart(spec, specs)) for spec in specs]
        return apart if len(set(apart)) == 2 and all(apart) else [names[second(spec, specs)] for spec in specs]
    named = [", ".join([*_names(spec, specs), *apart_by(spec, specs)]) or _preset(spec) for spec in specs]
    often = Counter(named)
    tails = [f" {spec['run'][-4:]}" if often[name] > 1 else "" for name, spec in zip(named, specs, strict=True)]
    return [f"{name}{tail}".replace("<", "‹") for name, tail in zip(named, tails, strict=True)]  # plotly.js would read a tag


def _preset(spec: Spec) -> str:
    return title(spec.get("preset") or spec["lab"])


def _names(spec: Spec, specs: Sequence[Spec]) -> list[str]:
    """Its preset, where not all have the same, and its lab, where others have a preset of that name."""
    if len({(other["lab"], other.get("preset")) for other in specs}) == 1:
        return []
    alike = {other["lab"] for other in specs if _preset(other) == _preset(spec)}
    return [f"{_preset(spec)} ({spec['lab']})" if len(alike) > 1 else _preset(spec)]


def apart_by(spec: Spec, specs: Sequence[Spec]) -> list[str]:
    """The first few knobs in which it differs from others of the same preset: "seed=1", "router=hash"."""
    return _apart(spec, [other for other in specs if (other["lab"], other.get("preset")) == (spec["lab"], spec.get("preset"))])


def _apart(spec: Spec, specs: Sequence[Spec]) -> list[str]:
    """The first few knobs in which it differs from the others."""
    own = unnest(spec["knobs"])
    apart = set(differing([unnest(other["knobs"]) for other in specs]))
    changed = [name for name in own if name in apart]
    changed = [name for name in changed if name.partition(".")[0] not in changed or "." not in name]  # an answer stands for its knobs
    changed = [name for name in changed if name != "data_seed" or "seed" not in changed]
    return [f"{name.rpartition('.')[2]}={knob_value(own[name])}" for name in changed[:MOST_KNOBS]]
