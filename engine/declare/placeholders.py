"""Placeholders in the texts of a lab: what they may name, and what they mean.

    {band PRESET METRIC[@LAYER] [STAT]}     median, 90 % prediction interval for one more run, and n
    {ratio A B METRIC[@LAYER] [STAT]}       the same of A over B, seed by seed, and on how many seeds it has this direction
    {compare A B METRIC[@LAYER] [STAT]}     "larger on 8 of 8 seeds", or that the runs do not tell
    {count PRESET METRIC[@LAYER] [STAT] > X}    on how many of the seeds the number is above (or, with <, below) X
    {shown PRESET …}                        which runs show what the sentence says
    {knob NAME}                           the value of a knob in this preset; in the lab's story its default
    {cite VALUE | source}                 a number that somebody else published, with its source

STAT: last (without one), max, min, late50 (mean over the last 50 steps), peak_step, return_step,
below(X) (the first step at or below a level that the lab lists in `thresholds`).  METRIC may also be event/RULE; its STAT is
first (the step of its first event) or count.  PRESET may be LAB/PRESET in a text that several labs share.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

from engine.core.suggest import nearest

STATS = ("last", "max", "min", "late50", "peak_step", "return_step", "first", "count")
EVENT = "event/"
USAGE = {
    "band": "{band PRESET METRIC[@LAYER] [STAT]}",
    "ratio": "{ratio A B METRIC[@LAYER] [STAT]}",
    "compare": "{compare A B METRIC[@LAYER] [STAT]}",
    "count": "{count PRESET METRIC[@LAYER] [STAT] > X}",
    "shown": "{shown PRESET …}",
    "knob": "{knob NAME}",
    "cite": "{cite VALUE | source}",
}
PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_BELOW = re.compile(r"below\(([^()]+)\)")


class PlaceholderError(ValueError):
    """A placeholder that cannot be filled; the message is one sentence that repeats it and says what is allowed."""


@dataclass(frozen=True)
class Placeholder:
    """One placeholder, taken apart.  `level`: the X of below(X) and of count; `sign`: of count; `rest`: a knob's name or a citation."""

    verb: str
    presets: tuple[str, ...] = ()
    metric: str = ""
    stat: str = "last"
    level: float = 0.0
    sign: str = ">"
    rest: str = ""

    @property
    def name(self) -> str:
        """The metric without its layer."""
        return self.metric.partition("@")[0]

    @property
    def key(self) -> str:
        """The name of the number in a record: METRIC|STAT."""
        return f"{self.metric}|{f'below({self.level:g})' if self.stat == 'below' else self.stat}"


@dataclass(frozen=True)
class Known:
    """What the placeholders of a lab may name.

    `metrics`: scalars by name -> whether they come per layer (a name may come both ways); None: not checked.
    """

    presets: frozenset[str]
    knobs: frozenset[str]
    metrics: Mapping[str, Collection[bool]] | None
    thresholds: Mapping[str, Iterable[float]]


def replace(text: str, value: Callable[[Placeholder], str]) -> str:
    """`text` with the value of each placeholder in its place."""
    return PLACEHOLDER.sub(lambda match: value(parse(match[0])), text) if "{" in text else text


def check(text: str, known: Known) -> None:
    """PlaceholderError for the first placeholder that names what does not exist, or a brace without its other half."""
    for match in PLACEHOLDER.finditer(text):
        try:
            _check(parse(match[0]), known)
        except PlaceholderError as error:
            raise PlaceholderError(f"{match[0]} cannot be filled: {error}") from None
    if set("{}") & set(PLACEHOLDER.sub("", text)):
        raise PlaceholderError(f"a brace stands alone; a placeholder is one of {', '.join(USAGE.values())}.")


def parse(braced: str) -> Placeholder:
    """One placeholder with its braces -> its parts.  PlaceholderError when its form is none of USAGE."""
    verb, _, rest = braced[1:-1].strip().partition(" ")
    words = rest.split()
    if verb not in USAGE:
        raise PlaceholderError(nearest("placeholder", verb, USAGE))
    if verb == "cite":
        value, bar, source = (part.strip() for part in rest.partition("|"))
        if value and bar and source:
            return Placeholder(verb, rest=f"{value} ({source})")
    elif verb == "knob" and len(words) == 1:
        return Placeholder(verb, rest=words[0])
    elif verb == "count" and len(words) in (4, 5) and words[-2] in ("<", ">"):
        stat = "count" if words[1].startswith(EVENT) else "last"
        if len(words) == 5:
            stat, _ = _stat(words[2])
        return Placeholder(verb, (words[0],), words[1], stat, level=_number(words[-1]), sign=words[-2])
    elif verb == "shown" and words:
        return Placeholder(verb, tuple(word.rstrip(",") for word in words))
    elif verb in ("band", "ratio", "compare"):
        presets = 1 if verb == "band" else 2
        if len(words) in (presets + 1, presets + 2):
            stat, level = _stat(words[presets + 1]) if len(words) == presets + 2 else ("last", 0.0)
            return Placeholder(verb, tuple(words[:presets]), words[presets], stat, level)
    raise PlaceholderError(f"its form must be {USAGE[verb]}.")


def _stat(word: str) -> tuple[str, float]:
    below = _BELOW.fullmatch(word)
    if below:
        return "below", _number(below[1])
    if word not in STATS:
        raise PlaceholderError(nearest("stat", word, (*STATS, "below(X)")))
    return word, 0.0


def _number(word: str) -> float:
    try:
        return float(word)
    except ValueError:
        raise PlaceholderError(f'"{word}" is no number.') from None


def _check(one: Placeholder, known: Known) -> None:
    if one.verb == "knob" and one.rest not in known.knobs:
        raise PlaceholderError(nearest("knob", one.rest, known.knobs))
    for preset in one.presets:
        if "/" not in preset and preset not in known.presets:
            raise PlaceholderError(nearest("preset", preset, known.presets))
    if one.metric and known.metrics is not None:
        _check_metric(one.metric, known.metrics)
    if one.stat == "below":
        levels = list(known.thresholds.get(one.metric, ()))
        if one.level not in levels:
            allowed = ", ".join(f"{level:g}" for level in levels) or "none"
            raise PlaceholderError(f"{one.level:g} is no level of {one.metric} that is recorded; allowed are {allowed}.")


def _check_metric(written: str, metrics: Mapping[str, Collection[bool]]) -> None:
    """A metric whose name ends in "…" stands for all that begin like it."""
    if written.startswith(EVENT):
        if written not in metrics:
            raise PlaceholderError(nearest("rule", written, [name for name in metrics if name.startswith(EVENT)]))
        return
    name, at, _ = written.partition("@")
    family = next((known for known in metrics if known.endswith("…") and name.startswith(known[:-1])), name)
    if family not in metrics:
        raise PlaceholderError(nearest("metric", name, metrics))
    if bool(at) not in metrics[family]:
        raise PlaceholderError(f"{name} has no layers." if at else f"{name} comes per layer; write {name}@LAYER.")
