"""From a request for a search to how its sweep grows and to the declarations from which it begins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from engine.core.suggest import nearest
from engine.declare.axes import Values, ends_of, parse
from engine.declare.resolve import KnobError, LabJson
from engine.declare.sweep import MOST, Plan, of_points, specs_of
from engine.search.lattice import Lattice, listed, ruled
from engine.search.strategies.optuna import ROUND, WORD, Optuna
from engine.search.suggest import NoSuggestion

SEED = "seed"
SAMPLER_SEED = 0

Spec = Mapping[str, Any]


def search_request(
    lab: LabJson, preset: str | None, given: Mapping[str, Any], *, metric: str, direction: str, trials: int
) -> tuple[Plan, dict[str, Any]]:
    """-> (the runs from which it begins, what the sweep's file holds).

    `given`: knob -> a value, a range of numbers `a..b`, or values with commas between them; a knob of one answer goes with that answer
    only.  `seed` may have several, and each point is trained with all of them.  `direction`: "minimize" or "maximize".  KnobError, in
    one sentence, for what cannot be, and where Optuna chooses nothing.
    """
    if preset is not None and preset not in lab["presets"]:
        raise KnobError(nearest(f"preset of {lab['lab']}", preset, lab["presets"]))
    begins = lab["presets"][preset] if preset is not None else {}
    ladder = {} if begins.get("arm") else begins.get("grid") or {}
    specs = specs_of(lab)
    axes: dict[str, Lattice] = {knob: listed(knob, values) for knob, values in ladder.items() if knob not in given}
    base: dict[str, Any] = {}
    seeds: tuple[int, ...] = (int(begins.get("knobs", {}).get(SEED, specs[SEED][-1]["default"])),)
    for knob, text in given.items():
        if knob not in specs:
            raise KnobError(nearest(f"knob of {lab['lab']}", knob, specs))
        axis = _axis(specs[knob], knob, text)
        if knob == SEED:
            seeds = tuple(axis.values)
        elif len(axis.values) > 1:
            axes[knob] = axis
        else:
            base[knob] = axis.values[0]
    if not axes:
        raise KnobError("A search needs a knob with a range or with several values, such as lr=1e-4..1.")
    if not 1 <= trials <= MOST // len(seeds):
        with_seeds = f" with {len(seeds)} seeds" if len(seeds) > 1 else ""
        raise KnobError(f"--trials {trials} is out of bounds; give a whole number from 1 to {MOST // len(seeds)}{with_seeds}.")
    setting = {
        "is": "optuna",
        "open": True,
        "space": [{**axis.json(), **_belongs(lab, axes, knob)} for knob, axis in axes.items()],
        "metric": metric,
        "direction": direction,
        "trials": trials,
        "seed": SAMPLER_SEED,
    }
    for knob in base:
        _belongs(lab, axes, knob)
    try:
        points = Optuna(setting).first()
    except NoSuggestion as error:
        raise KnobError(str(error)) from None
    return of_points(lab, preset, base, points, seeds, part=True), setting


def outlook(setting: Mapping[str, Any], seeds: Sequence[int]) -> str:
    """How far the search goes on from how it begins."""
    trials, each = setting["trials"], f" with {len(seeds)} seeds each" if len(seeds) > 1 else ""
    aim = f"for the {WORD[setting['direction']].lower()} {setting['metric']}"
    if trials <= ROUND:
        return f"The search tries {trials} point{'s' if trials > 1 else ''}{each}, {aim}."
    return f"That is how it begins: the search tries {trials} points{each}, {ROUND} at a time, {aim}."


def _axis(specs: Sequence[Spec], knob: str, text: Any) -> Lattice:
    """A range, or a list of one value or more.  Of a knob that belongs to several answers, the first that takes them."""
    for spec in specs[:-1]:
        try:
            return _of(spec, knob, text)
        except KnobError:
            continue
    return _of(specs[-1], knob, text)


def _of(spec: Spec, knob: str, text: Any) -> Lattice:
    if not isinstance(text, str):
        return listed(knob, text if isinstance(text, tuple) else (text,))
    if knob != SEED and spec["kind"] in ("int", "float") and ".." in text and not {",", "/"} & set(text):
        return ruled(spec, knob, *ends_of(spec, knob, text), first=2, refine=0)
    values = parse(spec, knob, text)
    assert isinstance(values, Values)  # ranges are only drawn from where that is said
    return listed(knob, values.values)


def _belongs(lab: LabJson, axes: Mapping[str, Lattice], knob: str) -> dict[str, Any]:
    """ "only" of a knob whose question is searched over: the answers with which it goes.  KnobError where that is none of them."""
    question, _, inner = knob.partition(".")
    if not inner or question not in axes:
        return {}
    choices = next((spec["choices"] for spec in lab["knobs"] if spec["name"] == question), [])
    having = [choice["name"] for choice in choices if any(one["name"] == inner for one in choice.get("knobs", ()))]
    answers = [answer for answer in axes[question].values if answer in having]
    if not answers:
        raise KnobError(f"{knob} goes with {question}={' or '.join(having)} only; give one of these too, or leave {knob} out.")
    return {"only": {question: answers}}
