"""The verdict on a run: sentences made of its events, of its deciding number, and of what was measured of its preset.

Three sources and no other: what an event says of itself, the deciding metric crossing the level of the preset, and at the end its
last value against the measured range.  Nothing is said before the data say it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from engine.core.nonfinite import number, word
from engine.declare.records import print_one
from engine.runs.ending import ENDED
from engine.runs.series import metric_words

NO_ALARM = frozenset(("image", "checkpoint", "damage", "knob"))  # events that are no sign of trouble
WHOLE = frozenset(("finished", "diverged"))  # how a run ends that is one more draw of its preset

Event = Mapping[str, Any]


class Point(NamedTuple):
    """One reading; `value` may be NaN or infinite."""

    step: int
    value: float


@dataclass(frozen=True)
class Readings:
    """What is known of one run.

    `points`: of the deciding metric, ascending, exact around the first crossing.  `complete`: everything that the run wrote is there.
    `changed`: knobs in which it differs from its preset, if it has a `preset`.
    """

    status: str
    events: Sequence[Event] = ()
    points: Sequence[Point] = ()
    complete: bool = True
    changed: Sequence[str] = ()
    preset: bool = True


class Sentence(NamedTuple):
    """`step` at which it holds; `source`: which of the three it comes from."""

    step: int
    text: str
    source: Literal["event", "crossing", "end"]


@dataclass(frozen=True)
class Placed:
    """The last value of a run in the range measured of its preset.  `inside` is None where nothing can be compared."""

    value: float
    first: float
    median: float | None = None
    low: float | None = None
    high: float | None = None
    n: int = 0
    inside: bool | None = None


@dataclass(frozen=True)
class Verdict:
    """`sentences` from the first step to the last; `end`: where the last value lies, None as long as the run goes on."""

    sentences: Sequence[Sentence] = field(default_factory=tuple)
    end: Placed | None = None

    @property
    def pointer(self) -> int | None:
        """The step at which a person should look: where the deciding number crosses its level, else the first event."""
        for source in ("crossing", "event"):
            for sentence in self.sentences:
                if sentence.source == source:
                    return sentence.step
        return None


def verdict(of: Readings, deciding: Mapping[str, Any] | None, level: float | None, band: Mapping[str, Any] | None) -> Verdict:
    """`deciding`: as `decides` in `labs --json`; `level`: which it passes when the training breaks; `band`: of its last value, or None."""
    signs = [*_events(of.events), *(_crossing(of, deciding, level) if deciding else ())]
    signs.sort(key=lambda sign: sign[0].step)
    sentences = [sentence._replace(text=sentence.text + after) for (sentence, _), after in zip(signs, _leads(signs), strict=True)]
    if deciding is None or of.status not in ENDED or not of.complete:
        return Verdict(tuple(sentences))
    end, text = _end(of, deciding, band)
    last = of.points[-1].step if of.points else max((s.step for s in sentences), default=0)
    return Verdict((*sentences, Sentence(last, text, "end")), end)


# -- signs of trouble ------------------------------------------------------------------------------

Sign = tuple[Sentence, str]  # a sentence, and what its sign is called in the sentence of an earlier one


def _events(events: Sequence[Event]) -> list[Sign]:
    """The first event of each rule, and how often it came again."""
    of_rule: dict[str, list[Event]] = {}
    for event in sorted(events, key=lambda one: int(one["step"])):
        if event["kind"] not in NO_ALARM:
            of_rule.setdefault(str(event.get("rule") or event["kind"]), []).append(event)
    out = []
    for rule, same in of_rule.items():
        step, name = int(same[0]["step"]), rule.replace("_", " ")
        text = str(same[0].get("says") or "").strip() or f"The rule {name} fired."
        again = f" It came {len(same) - 1} more time{'s' if len(same) > 2 else ''}, last at step {same[-1]['step']:,}." if same[1:] else ""
        out.append((Sentence(step, text + again, "event"), f"the rule {name} fired"))
    return out


def _crossing(of: Readings, deciding: Mapping[str, Any], level: float | None) -> list[Sign]:
    """The first reading that is not finite, unless an event says so, and the first one past the level."""
    out: list[Sign] = []
    points = of.points
    name = metric_words(str(deciding["metric"]))
    odd = next((point for point in points if word(point.value)), None)
    if odd is not None and not any(event["kind"] == "nonfinite" and int(event["step"]) <= odd.step for event in of.events):
        out.append(
            (Sentence(odd.step, f"{_upper(name)} is {word(odd.value)} here for the first time.", "crossing"), f"{name} was not finite")
        )
    past = next((i for i, p in enumerate(points) if level is not None and is_past(p.value, level, deciding["direction"])), None)
    if past is not None and level is not None:
        side = "below" if deciding["direction"] == "down" else "above"
        begins = " from its first reading on" if past == 0 else ""
        text = f"{_said(deciding, points[past].value)}: {side} {level:g}{begins}, where its preset counts as broken."
        out.append((Sentence(points[past].step, text, "crossing"), f"this number went {side} {level:g}"))
    return out


def is_past(value: float, level: float, direction: str) -> bool:
    """True for a finite value beyond the level; NaN and infinities are said in a sentence of their own."""
    return math.isfinite(value) and (value < level if direction == "down" else value > level)


def _leads(signs: Sequence[Sign]) -> list[str]:
    """How many steps each sign came before the next later one."""
    out = []
    for n, (sentence, _) in enumerate(signs):
        later = next(((s.step, name) for s, name in signs[n + 1 :] if s.step > sentence.step), None)
        many = later[0] - sentence.step if later else 0
        out.append(f" {many:,} step{'s' if many > 1 else ''} later {later[1]}." if later else "")
    return out


# -- the end ---------------------------------------------------------------------------------------


def _end(of: Readings, deciding: Mapping[str, Any], band: Mapping[str, Any] | None) -> tuple[Placed | None, str]:
    name = metric_words(str(deciding["metric"]))
    if not of.points:
        return None, f"{_upper(name)}, by which its preset is judged, was not measured in this run."
    first, last = of.points[0], of.points[-1]
    text = f"At the end {_said(deciding, last.value, start=False)}"
    if last.step > first.step:
        text += f", after {_number(first.value)} at step {first.step:,}"
    placed, why = _placed(of, first.value, last.value, band)
    return placed, f"{text}; {why}."


def _placed(of: Readings, first: float, last: float, band: Mapping[str, Any] | None) -> tuple[Placed, str]:
    """Where the last value lies, and in words."""
    placed = Placed(last, first)
    if not of.preset:
        return placed, "it has no preset, so nothing was measured to compare it with"
    if of.changed:
        return placed, f"nothing was measured with its {_counted(len(of.changed), 'changed knob')}"
    if band is None:
        return placed, "this preset has not been measured"
    if of.status not in WHOLE:
        return placed, f"the run ended early ({of.status}), so it is not compared with what was measured"
    median, low, high = (number(band.get(end)) for end in ("median", "low", "high"))
    n = int(band.get("n") or 0)
    if not n or low is None or high is None or median is None:
        return placed, f"in none of the {int(band.get('of') or 0)} measured runs was it finite"
    inside = math.isfinite(last) and low <= last <= high
    if low == high:
        where = f"{'as' if inside else 'unlike'} in all {n} measured runs, which end at {print_one(low, 3)}"
    else:
        where = f"{'inside' if inside else 'outside'} {print_one(low, 3)} to {print_one(high, 3)}, where 9 of 10 new runs end (n = {n})"
    return Placed(last, first, median, low, high, n, inside), where


def _said(deciding: Mapping[str, Any], value: float, *, start: bool = True) -> str:
    """The preset's sentence about one value of its number."""
    message = str(deciding.get("says") or "") or f"{metric_words(str(deciding['metric']))} is {{value}}"
    text = message.replace("{value}", _number(value))
    return _upper(text) if start else text


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]


def _number(value: float) -> str:
    return word(value) or print_one(value, 3)


def _counted(many: int, thing: str) -> str:
    return f"{many} {thing}{'' if many == 1 else 's'}"


def first_crossing(points: Sequence[Point], level: float, direction: str) -> tuple[int, int] | None:
    """-> steps between which a thinned series (two points a bucket) passes the level for the first time; None where it never does."""
    past = next((i for i, point in enumerate(points) if is_past(point.value, level, direction)), None)
    return None if past is None else (points[max(0, past - 3)].step, points[past].step)
