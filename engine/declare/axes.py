"""The values of one knob as one types them: `a,b,c`, `a..b` (whole numbers, both ends), `a..b/n` (n values between both ends).

The n values are geometric when both ends are positive and the larger is at least ten times the smaller, else equally spaced; of a knob
that takes whole numbers they are rounded.  Parts may be mixed: `seed=0,2..4`.  With `--random N` a knob may also have a range of real
numbers, `lr=1e-4..1`, from which each draw takes one, on the logarithm where `a..b/n` would be geometric.
"""

from __future__ import annotations

import itertools
import math
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.declare.bounds import allowed
from engine.declare.resolve import KnobError, typed

MOST = 1000  # values of one knob
RATIO = 10.0  # of both ends, from which on values are geometric
DIGITS = (4, 8, 12, 17)  # significant ones of a value between two ends: as few as keep all of them apart
DRAWN = 3  # significant digits of a drawn value
PADDED = re.compile(r"0[0-9]")  # how a number begins that has a 0 too many

Spec = Mapping[str, Any]


@dataclass(frozen=True)
class Values:
    """Some values of a knob, in the order given."""

    values: tuple[Any, ...]

    def draw(self, chance: random.Random) -> Any:
        return self.values[int(chance.random() * len(self.values))]


@dataclass(frozen=True)
class Range:
    """Every real number from `low` to `high`; only draws take from it."""

    low: float
    high: float

    def draw(self, chance: random.Random) -> float:
        found = _between(self.low, self.high, chance.random())
        return min(self.high, max(self.low, float(f"{found:.{DRAWN}g}")))


def parse(spec: Spec, name: str, text: str, *, drawn: bool = False) -> Values | Range:
    """`text` as values of the knob `name`, which `labs --json` describes by `spec`.  KnobError, in one sentence.

    `drawn`: a range of real numbers is allowed, for values are drawn from it.
    """
    number = spec["kind"] in ("int", "float")
    parts = text.split(",") if text else [""]
    if drawn and spec["kind"] == "float" and len(parts) == 1 and ".." in text and "/" not in text:
        return Range(*ends_of(spec, name, text))
    values: list[Any] = []
    parts = [part.strip() for part in parts]
    if number:
        _no_comma_inside(name, parts)
    for part in parts:
        if not part and len(parts) > 1:
            raise KnobError(f'{name}="{_short(text)}" has an empty place; write values with one comma between two of them.')
        values += _range(spec, name, part) if number and ".." in part else [typed(spec, name, part)]
        if len(values) > MOST:
            raise KnobError(f"{name} has more than {MOST} values; give fewer.")
    if len(set(values)) < len(values):
        twice = next(value for n, value in enumerate(values) if value in values[:n])
        raise KnobError(f'{name}="{_short(text)}" gives {twice} twice; give each value once.')
    return Values(tuple(values))


def _no_comma_inside(name: str, parts: Sequence[str]) -> None:
    """KnobError for 0,001 and 1,000: of two values, the second would begin with a 0 that no number needs.  All values may be padded so."""
    for before, part in itertools.pairwise(parts):
        if PADDED.match(part) and not PADDED.match(before):
            meant = f"{name}={_short(f'{before},{part}')} has a comma inside a number"
            raise KnobError(f"{meant}; the decimal mark is a point, thousands have none, and a comma stands between two values.")


def geometric(low: float, high: float) -> bool:
    """Whether values from `low` to `high` are spaced by their ratio."""
    return low > 0 and high / low >= RATIO


def _range(spec: Spec, name: str, part: str) -> list[Any]:
    ends, sign, count = part.partition("/")
    low, high = ends_of(spec, name, ends)
    if not sign:
        if low != int(low) or high != int(high):
            raise KnobError(f"{name}={part} is no range of whole numbers; give the number of values too, such as {name}={ends}/5.")
        if high - low >= MOST:
            raise KnobError(f"{name}={part} has more than {MOST} values; give fewer, such as {name}={ends}/5.")
        return [typed(spec, name, whole) for whole in range(int(low), int(high) + 1)]
    if not count.strip().isdecimal() or not 2 <= int(count) <= MOST:
        raise KnobError(f"{name}={part} gives no number of values after the stroke; give a whole number from 2 to {MOST}.")
    return [typed(spec, name, value) for value in _spaced(spec, name, part, low, high, int(count))]


def ends_of(spec: Spec, name: str, text: str) -> tuple[float, float]:
    """The two ends of `a..b`, the smaller first.  KnobError, in one sentence."""
    first, _, last = text.partition("..")
    low, high = (float(typed({**spec, "default": 0, "kind": "float"}, name, end.strip())) for end in (first, last))
    if spec["kind"] == "int":
        low, high = float(typed(spec, name, first.strip())), float(typed(spec, name, last.strip()))
    if low >= high:
        raise KnobError(f"{name}={text} does not go upwards; give the smaller end first, each {allowed(spec)}.")
    return low, high


def _spaced(spec: Spec, name: str, part: str, low: float, high: float, count: int) -> list[float]:
    inner = [_between(low, high, n / (count - 1)) for n in range(1, count - 1)]
    if spec["kind"] == "int":
        whole = [low, *map(float, map(round, inner)), high]
        if any(a >= b for a, b in itertools.pairwise(whole)):
            raise KnobError(f"{name}={part} has no {count} different whole numbers; give fewer values.")
        return whole
    for digits in DIGITS:
        values = [low, *(float(f"{value:.{digits}g}") for value in inner), high]
        if all(a < b for a, b in itertools.pairwise(values)):
            return values
    raise KnobError(f"{name}={part} has no {count} different numbers; give fewer values.")


def _between(low: float, high: float, share: float) -> float:
    """The number that lies at `share` (0 to 1) of the way, by ratio or by difference."""
    return low * math.exp(math.log(high / low) * share) if geometric(low, high) else low + (high - low) * share


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:40]}…"
