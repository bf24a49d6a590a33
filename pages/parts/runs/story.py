"""What the head of the run page says it shows: title, one sentence and the rest, of one preset, of changed knobs, of several presets."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from engine.declare.knobs import unnest
from engine.declare.resolve import KnobError, declaration
from engine.declare.revise import changes, request_of
from pages.parts.plain import plain
from pages.parts.words import knob_value, title

FREE = frozenset(("seed", "data_seed", "device", "threads", "probes"))  # a run that differs in these alone is one more draw of its preset
TASK = frozenset(("task", "data", "objective", "loss_weight"))  # questions that decide what the loss measures
APART = "These runs do not minimise the same loss, so their losses cannot be compared."
UNKNOWN = "The lab has changed since, so whether a run here has the knobs of its preset cannot be known."
MOST_KNOBS = 4  # in the title

Spec = Mapping[str, Any]
Lab = Mapping[str, Any]


class Story(NamedTuple):
    """Markdown.  `preset`: the one preset that the page is about, "" where it is about none or several; `own`: its story holds here.

    `known`: whether it is known in which knobs the runs leave it.
    """

    title: str
    sentence: str
    rest: str
    preset: str
    own: bool
    known: bool = True


def story(specs: Sequence[Spec], labs: Mapping[str, Lab]) -> Story:
    """`labs`: those of the labs document by name."""
    names = list(dict.fromkeys(spec["lab"] for spec in specs))
    apart = APART if _apart(specs) else ""
    if len(names) > 1:
        return Story(f"{len(specs)} runs of {len(names)} labs", apart, "", "", False)
    lab = labs.get(names[0])
    of_lab = lab["title"] if lab else plain(names[0])
    families = list(dict.fromkeys(family(lab, spec.get("preset")) for spec in specs))
    if len(families) > 1:
        return Story(f"{of_lab}: {len(specs)} runs of {len(families)} presets", apart, "", "", False)
    presets = list(dict.fromkeys(spec.get("preset") or "" for spec in specs))
    preset = (lab or {"presets": {}})["presets"].get(presets[0])
    alike = {name.replace("_cured", "") for name in presets}
    named = plain(title((alike.pop() if len(alike) == 1 else families[0]) or "own knobs"))
    found = [changed_knobs(lab, spec) for spec in specs]
    changed = [one for one in found if one is not None]
    if preset and len(changed) < len(found):
        return Story(f"{of_lab}: {named}", " ".join(filter(None, [UNKNOWN, apart])), preset["story"], presets[0], False, known=False)
    if not preset or any(changed):
        return Story(f"{of_lab}: {named}{_with(changed)}", apart, preset["story"] if preset else "", presets[0] if preset else "", False)
    sentence, rest = first_sentence(preset["story"])
    return Story(f"{of_lab}: {named}", " ".join(filter(None, [sentence, apart])), rest, presets[0], True)


def family(lab: Lab | None, preset: str | None) -> str:
    """The preset from which this one is derived, as a cured twin, a larger variant or an arm of a ladder; itself otherwise."""
    presets = (lab or {"presets": {}})["presets"]
    name = preset or ""
    while name in presets:
        origin = next((presets[name][link] for link in ("broken", "small", "arm") if presets[name].get(link)), None)
        if origin is None:
            break
        name = origin
    return name


def changed_knobs(lab: Lab | None, spec: Spec) -> dict[str, Any] | None:
    """Flat knobs in which a run leaves its preset, apart from seeds and what decides no number; {} for one without a preset.

    None where that cannot be known: the lab has changed since, and no longer knows its preset's knobs or one of the run's.
    """
    if lab is None or spec.get("preset") not in lab["presets"]:
        return {}
    try:
        preset, knobs, lost = request_of(lab, spec)
        own = unnest(spec["knobs"])
        gone = [one.partition("=")[0] for one in lost]
        beyond = {name: own[name] for name in gone if name in knobs}  # values that it no longer allows
        changed = {**changes(declaration(lab, preset, {}), knobs), **beyond}
    except (KnobError, KeyError):
        return None
    changed = {name: value for name, value in changed.items() if name not in FREE}
    return changed if changed or not set(gone) - beyond.keys() - FREE else None


def _with(changed: Sequence[Mapping[str, Any]]) -> str:
    """ " with changed knobs: lr 0.003, steps 30"; without naming them where the runs of the page do not all have the same."""
    if not any(changed):
        return ""
    first = changed[0]
    if any(other != first for other in changed[1:]):
        return " with changed knobs"
    shown = [f"{plain(name.rpartition('.')[2])} {plain(knob_value(value))}" for name, value in list(first.items())[:MOST_KNOBS]]
    return f" with changed knobs: {', '.join(shown)}{' and more' if len(first) > MOST_KNOBS else ''}"


def _apart(specs: Sequence[Spec]) -> bool:
    """Whether the losses of the runs measure different things."""

    def task(spec: Spec) -> tuple[Any, ...]:
        return (spec["lab"], *((name, repr(value)) for name, value in sorted(spec["knobs"].items()) if name in TASK))

    return len({task(spec) for spec in specs}) > 1


def first_sentence(text: str) -> tuple[str, str]:
    """-> (the first sentence, the rest)."""
    found = re.match(r"(.+?[.!?:])\s+(?=[A-Z0-9*`“\"(])(.+)", text.strip(), re.DOTALL)
    return (found[1], found[2]) if found else (text.strip(), "")
