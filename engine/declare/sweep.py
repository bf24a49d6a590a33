"""From a request for a sweep to its declarations: a grid of knobs and seeds, or points drawn at random from it."""

from __future__ import annotations

import dataclasses
import itertools
import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from engine.core.suggest import nearest
from engine.declare.axes import Range, Values, parse
from engine.declare.knobs import Flat
from engine.declare.resolve import Declaration, KnobError, LabJson, RuleBroken, resolve
from engine.declare.revise import request_of, written

MOST = 1000  # declarations of one sweep
SEED = "seed"
NAMED = 3  # refused combinations that a message names
TRIES = 50  # draws for each point that is wanted

Point = dict[str, Any]


@dataclass(frozen=True)
class Plan:
    """What was asked for, complete and checked.

    `base`: knobs with one value; `axes`: those with several, in order and without the seed; `seeds`: as given, or the preset's one.
    `declarations`: one a point and seed, in the order of the axes, the seeds fastest.  `left_out`: a sentence for each combination
    that a rule of the lab refuses, where that was allowed.
    """

    lab: str
    preset: str | None
    base: Mapping[str, Any]
    axes: Mapping[str, tuple[Any, ...]]
    seeds: tuple[int, ...]
    declarations: tuple[Declaration, ...]
    left_out: tuple[str, ...] = ()


def plan(lab: LabJson, preset: str | None, given: Mapping[str, Any], *, drawn: int | None = None, leave_out: bool = False) -> Plan:
    """The declarations of a sweep.  `given`: knob -> values as a text (engine/declare/axes.py), or one value that is no text or in a tuple.
    `drawn`: so many points at random.

    A preset that is a ladder brings its values unless that knob is given.  A knob of an answer goes with that answer only: where the
    question has several values, the points of other answers do without it.  KnobError, in one sentence, for what cannot be; combinations
    that a rule of the lab refuses are named in it, unless `leave_out`.
    """
    if preset is not None and preset not in lab["presets"]:
        raise KnobError(nearest(f"preset of {lab['lab']}", preset, lab["presets"]))
    specs = specs_of(lab)
    started = lab["presets"][preset] if preset is not None else {}
    ladder = {} if started.get("arm") else started.get("grid") or {}  # an arm is one value of its ladder
    wanted = {name: _values(lab, specs, name, text, drawn=drawn is not None) for name, text in given.items()}
    wanted = {**{name: Values(tuple(values)) for name, values in ladder.items() if name not in wanted}, **wanted}
    several = {name: one for name, one in wanted.items() if name != SEED and not (isinstance(one, Values) and len(one.values) == 1)}
    base = {name: one.values[0] for name, one in wanted.items() if isinstance(one, Values) and name not in several and name != SEED}
    seeds = wanted[SEED].values if isinstance(wanted.get(SEED), Values) else None

    def applied(point: Point) -> Point:
        return _reduced(lab, base, point)

    points = _all(several) if drawn is None else _drawn(several, drawn, applied)
    declarations, refused = _resolved(lab, preset, base, points, applied, seeds)
    if refused and not leave_out:
        named = "; ".join([*refused[:NAMED], *(["…"] if len(refused) > NAMED else [])])
        raise RuleBroken(f"{_count(refused)} refused by a rule of the lab: {named}. Change the values, or leave these combinations out.")
    if not declarations:
        raise KnobError(f"A rule of the lab refuses every combination, such as {refused[0]}.")
    axes = {name: _taken(name, one, points) for name, one in several.items()}
    return Plan(
        lab=lab["lab"],
        preset=preset,
        base=base,
        axes=axes,
        seeds=seeds or (int(declarations[0].flat.get(SEED, 0)),),
        declarations=tuple(declarations),
        left_out=tuple(refused),
    )


def of_points(lab: LabJson, preset: str | None, base: Flat, points: list[Point], seeds: tuple[int, ...], *, part: bool = False) -> Plan:
    """The declarations of chosen points, typed values of some knobs beside `base`; what a rule of the lab refuses is left out, and named.

    `part`: they are some of the points of a sweep, so that a knob in `base` may belong to an answer that none of them gives.
    KnobError, in one sentence, where nothing is left, and for what no rule refuses but the lab does not have.
    """
    declarations, refused = _resolved(lab, preset, base, points, lambda point: _reduced(lab, base, point), seeds, part=part)
    if not declarations:
        raise KnobError(f"A rule of the lab refuses every combination, such as {refused[0]}.")
    names = dict.fromkeys(name for point in points for name in point)
    axes = {name: tuple(dict.fromkeys(point[name] for point in points if name in point)) for name in names}
    return Plan(lab["lab"], preset, base, axes, seeds, tuple(declarations), tuple(refused))


def more_seeds(lab: LabJson, preset: str | None, members: Iterable[Mapping[str, Any]], seeds: Iterable[int]) -> Plan:
    """Every arm of a sweep with other seeds; `members`: its nested knobs.  Data that followed the seed does so again.  KnobError."""
    points: dict[str, Flat] = {}
    for nested in members:
        _, flat, lost = request_of(lab, {"preset": None, "knobs": nested})
        if lost:
            raise KnobError(f"The lab has changed since the sweep was made, and has no {lost[0]} any more; make a new sweep.")
        arm = {name: value for name, value in flat.items() if name != SEED}
        points.setdefault(repr(arm), arm)
    new = tuple(seeds)
    declared = [dataclasses.replace(resolve(lab, None, {**arm, SEED: seed}), preset=preset) for arm in points.values() for seed in new]
    return Plan(lab["lab"], preset, {}, {}, new, tuple(declared))


def _resolved(
    lab: LabJson,
    preset: str | None,
    base: Flat,
    points: list[Point],
    applied: Callable[[Point], Point],
    seeds: tuple[Any, ...] | None,
    *,
    part: bool = False,
) -> tuple[list[Declaration], list[str]]:
    """-> (declarations, a sentence for each point that a rule refuses)."""
    if len(points) * len(seeds or (0,)) > MOST:
        raise KnobError(f"The sweep has {len(points) * len(seeds or (0,)):,} runs; at most {MOST} are allowed: give fewer values or seeds.")
    out, refused, used = [], [], set()
    seen: set[tuple[tuple[str, str], ...]] = set()
    for point in points:
        here = applied(point)
        used |= here.keys()
        for seed in seeds or (None,):
            whole = here if seed is None else {**here, SEED: seed}
            try:
                declared = resolve(lab, preset, whole)
            except RuleBroken as error:
                named = " ".join(f"{name}={written(value)}" for name, value in point.items()) or "the knobs as given"
                refused.append(f"{named} ({error})")
                break
            key = tuple(sorted((name, repr(value)) for name, value in declared.flat.items()))
            if key not in seen:
                seen.add(key)
                out.append(declared)
    if not part and (idle := [name for point in points for name in {**base, **point} if name not in used]):
        resolve(lab, preset, {**base, **points[0], idle[0]: {**base, **points[0]}[idle[0]]})  # says to which answer it belongs
    return out, refused


def _reduced(lab: LabJson, base: Flat, point: Point) -> Point:
    """What is left of a point and the knobs with one value without the knobs of answers that it does not give."""
    whole = {**base, **point}
    return {name: value for name, value in whole.items() if _applies(lab, name, whole)}


def _applies(lab: LabJson, name: str, point: Mapping[str, Any]) -> bool:
    """Whether a knob goes with the answers of its point; one that belongs to no answer of its question does, and is then refused."""
    question, _, inner = name.partition(".")
    if not inner or question not in point:
        return True
    choices = next((spec["choices"] for spec in lab["knobs"] if spec["name"] == question), [])
    return any(choice["name"] == point[question] and any(one["name"] == inner for one in choice.get("knobs", ())) for choice in choices)


def _all(several: Mapping[str, Values | Range]) -> list[Point]:
    values = [one.values for one in several.values() if isinstance(one, Values)]
    size = 1
    for one in values:
        size *= len(one)
    if size > MOST:
        raise KnobError(f"The grid has {size:,} points; at most {MOST} runs are allowed: give fewer values, or draw some with --random N.")
    return [dict(zip(several, point, strict=True)) for point in itertools.product(*values)]


def _drawn(several: Mapping[str, Values | Range], count: int, applied: Callable[[Point], Point]) -> list[Point]:
    """Different points, always the same for the same values; more of them begin with those of fewer."""
    if not 1 <= count <= MOST:
        raise KnobError(f"--random {count} is out of bounds; give a whole number from 1 to {MOST}.")
    if not several:
        raise KnobError("--random needs a knob with several values to draw from, such as lr=1e-4..1.")
    return list(itertools.islice(_draws(several, count, applied), count))


def _draws(several: Mapping[str, Values | Range], count: int, applied: Callable[[Point], Point]) -> Iterator[Point]:
    seen: set[str] = set()
    for number in range(TRIES * count):
        point = {name: one.draw(random.Random(f"{number} {name} {one!r}")) for name, one in several.items()}
        if (key := repr(applied(point))) not in seen:
            seen.add(key)
            yield point


def _taken(name: str, one: Values | Range, points: list[Point]) -> tuple[Any, ...]:
    """The values of an axis, or of a range those that were drawn from it."""
    return one.values if isinstance(one, Values) else tuple(dict.fromkeys(point[name] for point in points))


def _values(lab: LabJson, specs: Mapping[str, list[Mapping[str, Any]]], name: str, text: Any, *, drawn: bool) -> Values | Range:
    """Of a knob that belongs to several answers, the first that takes these values."""
    if name not in specs:
        raise KnobError(nearest(f"knob of {lab['lab']}", name, specs))
    if not isinstance(text, str):
        return Values(text if isinstance(text, tuple) else (text,))
    for spec in specs[name][:-1]:
        try:
            return parse(spec, name, text, drawn=drawn)
        except KnobError:
            continue
    return parse(specs[name][-1], name, text, drawn=drawn)


def specs_of(lab: LabJson) -> dict[str, list[Mapping[str, Any]]]:
    """Flat name -> descriptions of every knob, those of all answers included."""
    out: dict[str, list[Mapping[str, Any]]] = {}
    for spec in lab["knobs"]:
        out.setdefault(spec["name"], []).append(spec)
        for choice in spec["choices"]:
            for inner in choice.get("knobs", ()):
                out.setdefault(f"{spec['name']}.{inner['name']}", []).append(inner)
    return out


def _count(refused: list[str]) -> str:
    return "1 combination is" if len(refused) == 1 else f"{len(refused)} combinations are"
