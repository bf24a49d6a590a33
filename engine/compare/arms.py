"""From declarations to arms: runs whose knobs are equal but for seed, data_seed and probes, under names that say in what they differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from engine.declare import editions
from engine.declare.knobs import Flat, unnest
from engine.declare.resolve import LabJson
from engine.declare.revise import request_of, written
from engine.runs.series import split_key
from engine.statistics.matching import Key

MOST_RUNS = 100
FREE = ("seed", "data_seed", "probes")  # knobs in which runs of one arm may differ
LONGEST_VALUE, LONGEST_NAME = 32, 60  # characters of a value and of a name

# how a run may count for its key, the better first; of equals the one that was made first, so that nobody draws until it suits
RANKS = (("finished", "diverged"), ("running", "held", "queued"))
COUNTS = frozenset(status for statuses in RANKS for status in statuses)  # the others say nothing of the arm

Spec = Mapping[str, Any]


class ChoiceError(ValueError):
    """These runs cannot be compared; the message is one sentence for the person."""


@dataclass(frozen=True)
class Arm:
    """`knobs`: flat, without FREE.  `runs`: the run that counts for each key, in ascending order of keys.  `repeats`: the others."""

    name: str
    knobs: Mapping[str, Any]
    runs: Mapping[Key, str]
    repeats: tuple[str, ...]


@dataclass(frozen=True)
class Arms:
    """Arms in the order in which they are shown.  `differing`: names of the knobs that are not the same in all of them.
    `mixed`: names of arms whose runs were trained by different versions of the code."""

    lab: str
    arms: tuple[Arm, ...]
    differing: tuple[str, ...]
    mixed: tuple[str, ...] = ()

    def arm(self, name: str) -> Arm:
        return next(arm for arm in self.arms if arm.name == name)

    def numeric(self, knob: str) -> bool:
        """Whether the knob is a number in every arm, and not the same in all."""
        values = [arm.knobs.get(knob) for arm in self.arms]
        return all(isinstance(v, int | float) and not isinstance(v, bool) for v in values) and len(set(values)) > 1

    @property
    def heads(self) -> tuple[str, ...]:
        """The knobs that differ, without those that only come with another answer."""
        return tuple(name for name in self.differing if name.partition(".")[0] == name or name.partition(".")[0] not in self.differing)

    def equal_but(self, knob: str, baseline: Arm) -> list[Arm]:
        """The baseline and the arms that differ from it in `knob` (and what comes with its answer) alone; "" for any difference."""
        others = [name for name in self.differing if name != knob and not name.startswith(f"{knob}.")]
        return [arm for arm in self.arms if not knob or all(_same(arm.knobs, baseline.knobs, name) for name in others)]


def arms_of(specs: Sequence[Spec], lab: LabJson | None, standing: Mapping[str, str]) -> Arms:
    """The arms of these declarations.  `standing`: run -> status.  `lab` fills knobs that an old declaration does not have yet.

    ChoiceError for none, for more than MOST_RUNS, and for runs of several labs, whose data orders have nothing in common.
    """
    if not specs:
        raise ChoiceError("No run was given; give one run or more, or a sweep.")
    if len(specs) > MOST_RUNS:
        raise ChoiceError(f"{len(specs)} runs were given; a comparison takes {MOST_RUNS} at most.")
    labs = list(dict.fromkeys(str(spec["lab"]) for spec in specs))
    if len(labs) > 1:
        raise ChoiceError(f"These runs are of the labs {', '.join(labs)}; the runs of a comparison are of one lab.")
    made = sorted(specs, key=lambda spec: (spec.get("created") or 0.0, spec["run"]))
    groups: dict[str, tuple[Flat, list[tuple[Key, str]]]] = {}
    presets: dict[str, set[str]] = {}
    old = any(editions.difference(spec) for spec in made)
    for spec in made:
        flat = _completed(lab, spec)
        kept = {name: value for name, value in flat.items() if name not in FREE}
        if old:
            kept["edition"] = spec.get("edition", 1)
        same = repr(sorted((name, _typed(value)) for name, value in kept.items()))
        groups.setdefault(same, (kept, []))[1].append((_key(flat), spec["run"]))
        presets.setdefault(same, set()).add(str(spec.get("preset") or ""))
    knobs = [kept for kept, _ in groups.values()]
    differing = tuple(dict.fromkeys(name for kept in knobs for name in kept if any(not _same(kept, other, name) for other in knobs)))
    names = _names(knobs, differing, list(presets.values()), labs[0])
    arms = [_arm(name, kept, runs, standing) for name, (kept, runs) in zip(names, groups.values(), strict=True)]
    code = {spec["run"]: spec.get("code") for spec in made}
    mixed = tuple(arm.name for arm in arms if len({code[run] for run in arm.runs.values()}) > 1)
    found = Arms(labs[0], tuple(arms), differing, mixed)
    heads = found.heads
    if len(heads) == 1 and found.numeric(heads[0]):
        found = replace(found, arms=tuple(sorted(arms, key=lambda arm: arm.knobs[heads[0]])))
    return found


def _completed(lab: LabJson | None, spec: Spec) -> Flat:
    """The flat knobs of a declaration, those that the lab has got since at their defaults; as they are where it has lost an answer."""
    flat = unnest(dict(spec["knobs"]))
    if lab is None:
        return flat
    _, kept, lost = request_of(lab, spec)
    names = [text.partition("=")[0] for text in lost if not text.startswith("preset ")]
    return {**kept, **flat} if all("." in name for name in names) else flat


def _key(flat: Mapping[str, Any]) -> Key:
    seed = _whole(flat.get("seed"), 0)
    return seed, _whole(flat.get("data_seed"), seed)


def _whole(value: Any, otherwise: int) -> int:
    return value if type(value) is int else otherwise


def _same(one: Mapping[str, Any], other: Mapping[str, Any], name: str) -> bool:
    return _typed(one.get(name)) == _typed(other.get(name))


def _typed(value: Any) -> str:
    """A value as text that tells false from 0, and not 1 from 1.0."""
    return repr(float(value)) if isinstance(value, int | float) and not isinstance(value, bool) else repr(value)


def _arm(name: str, knobs: Flat, runs: Sequence[tuple[Key, str]], standing: Mapping[str, str]) -> Arm:
    """`runs` in the order in which they were made."""
    of: dict[Key, str] = {}
    for key, run in runs:
        if key not in of or _rank(standing.get(run)) < _rank(standing.get(of[key])):
            of[key] = run
    chosen = set(of.values())
    return Arm(name, knobs, dict(sorted(of.items())), tuple(run for _, run in runs if run not in chosen))


def _rank(status: str | None) -> int:
    """How well a run may count for its key: 0 is best, and any other end is worst."""
    return next((rank for rank, statuses in enumerate(RANKS) if status in statuses), len(RANKS))


def _names(knobs: Sequence[Flat], differing: Sequence[str], presets: Sequence[set[str]], lab: str) -> list[str]:
    """One for each arm: the knobs that tell it from the others; where those are too many or too long its preset, or a number."""
    named = [_short(next(iter(one))) if len(one) == 1 else "" for one in presets]
    if len(knobs) == 1:
        return [named[0] or lab]
    by_knobs = [_named(one, knobs, differing) for one in knobs]
    numbered = [f"arm {n + 1}" for n in range(len(knobs))]
    return next(names for names in (by_knobs, named, numbered) if all(0 < len(name) <= LONGEST_NAME for name in names) and _distinct(names))


def _distinct(names: Sequence[str]) -> bool:
    return len(set(names)) == len(names)


def _named(one: Flat, knobs: Sequence[Flat], differing: Sequence[str]) -> str:
    """An answer's own knobs only where another arm with that answer has them otherwise."""
    parts = []
    for name in differing:
        head = name.partition(".")[0]
        alike = [other for other in knobs if head == name or head not in differing or _same(one, other, head)]
        if name in one and any(not _same(one, other, name) for other in alike):
            parts.append(f"{name}={_short(one[name])}")
    return ", ".join(parts)


def _short(value: Any) -> str:
    text = " ".join(written(value).split())
    return text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 1]}…"


def baseline_of(arms: Arms, wanted: str | None) -> Arm:
    """The arm that `wanted` names: by its name, a run of it, or KNOB=VALUE words that fit one arm alone; the first where it is None.

    ChoiceError, in one sentence, for words that fit none or several.
    """
    if wanted is None:
        return arms.arms[0]
    for arm in arms.arms:
        if wanted in (arm.name, *arm.runs.values(), *arm.repeats):
            return arm
    words = [word.partition("=") for word in wanted.replace(",", " ").split()]
    fitting = [
        arm
        for arm in arms.arms
        if words and all(sign and name in arm.knobs and _means(value, arm.knobs[name]) for name, sign, value in words)
    ]
    if len(fitting) == 1:
        return fitting[0]
    what = "fits no arm" if not fitting else f"fits {len(fitting)} arms"
    named = [arm.name for arm in arms.arms[:6]]
    raise ChoiceError(f'The baseline "{_short(wanted)}" {what}; the arms are {"; ".join(named)}{"; …" if len(arms.arms) > 6 else ""}.')


def _means(text: str, value: Any) -> bool:
    """Whether a knob's value is what was typed: 1e-3 is 0.001."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return written(value) == text
    try:
        return float(text) == value
    except ValueError:
        return False


def by_of(arms: Arms, wanted: str | None) -> str:
    """The knob by which arms are compared, "" for any.  ChoiceError, in one sentence, for one in which they do not differ."""
    if not wanted:
        return ""
    if wanted not in arms.differing:
        differ = f"they differ in {', '.join(arms.heads)}" if arms.heads else "they differ in their seeds only"
        raise ChoiceError(f'The runs do not differ in "{_short(wanted)}"; {differ}.')
    return wanted


def metric_of(keys: Sequence[str], wanted: str, lab: str) -> tuple[str, str]:
    """(name, layer) of the metric `wanted`.  ChoiceError, in one sentence, for one that no run has as a number per step."""
    if wanted in keys:
        return split_key(wanted)
    near = [key for key in keys if wanted and key.startswith(wanted)] or list(keys)
    some = f"; metrics are {', '.join(near[:5])}{', …' if len(near) > 5 else ''}" if near else ", for they have measured nothing yet"
    raise ChoiceError(f'No run of {lab} here has the metric "{_short(wanted)}"{some}.')
