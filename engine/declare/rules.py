"""Rules between knobs: what one knob asks of another, checked before a run is made and again by its worker.

A lab lists them (`rules = (Divides("heads", "d_model", "…"),)`); they travel in `labs --json`, so the form and the
command line tell a broken rule without importing torch.  A rule that names a knob of an answer which is not
chosen does not apply.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar


@dataclass(frozen=True)
class Rule:
    """`one` and `other` are flat knob names; `message` is one sentence why it must be so."""

    one: str
    other: str
    message: str
    word: ClassVar[str] = ""

    def json(self) -> dict[str, Any]:
        return {"rule": self.word, "knobs": [self.one, self.other], "says": self.message}


@dataclass(frozen=True)
class Divides(Rule):
    """`other` is a multiple of `one`."""

    word: ClassVar[str] = "divides"


@dataclass(frozen=True)
class AtMost(Rule):
    """`one` is not larger than `other`."""

    word: ClassVar[str] = "at most"


def broken(rules: Iterable[Mapping[str, Any]], flat: Mapping[str, Any]) -> list[str]:
    """A sentence for each rule (as in `labs --json`) that a declaration breaks: what was received, what is allowed."""
    out = []
    for rule in rules:
        one, other = rule["knobs"]
        if one not in flat or other not in flat:
            continue
        a, b = flat[one], flat[other]
        if rule["rule"] == "divides" and (a == 0 or b % a):
            out.append(f"{one}={a} does not divide {other}={b}: {rule['says']} Give {one} as one of {_divisors(b)}, or change {other}.")
        elif rule["rule"] == "at most" and a > b:
            out.append(f"{one}={a} is larger than {other}={b}: {rule['says']} Give {one} as {b} at most, or raise {other}.")
    return out


def _divisors(number: int) -> str:
    small = [n for n in range(1, number + 1) if number % n == 0]
    return ", ".join(map(str, small)) if len(small) <= 8 else f"{', '.join(map(str, small[:7]))}, … {small[-1]}"
