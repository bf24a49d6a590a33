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
    phrase: ClassVar[str] = ""

    def json(self) -> dict[str, Any]:
        return {"rule": self.word, "knobs": [self.one, self.other], "says": self.message}

    @classmethod
    def written(cls, rule: Mapping[str, Any]) -> str:
        """The rule without its reason, in Markdown."""
        one, other = rule["knobs"]
        return f"`{one}` {cls.phrase} `{other}`"

    @staticmethod
    def complaint(rule: Mapping[str, Any], a: Any, b: Any) -> str:
        """What is wrong with these two values, in two sentences; "" for nothing.  `rule`: as in `json`."""
        raise TypeError("a rule must define complaint(rule, a, b)")


@dataclass(frozen=True)
class Divides(Rule):
    """`other` is a multiple of `one`."""

    word: ClassVar[str] = "divides"
    phrase: ClassVar[str] = "divides"

    @staticmethod
    def complaint(rule: Mapping[str, Any], a: Any, b: Any) -> str:
        one, other = rule["knobs"]
        if a and b % a == 0:
            return ""
        return f"{one}={a} does not divide {other}={b}: {rule['says']} Give {one} as one of {_divisors(b)}, or change {other}."


@dataclass(frozen=True)
class AtMost(Rule):
    """`one` is not larger than `other`."""

    word: ClassVar[str] = "at most"
    phrase: ClassVar[str] = "is at most"

    @staticmethod
    def complaint(rule: Mapping[str, Any], a: Any, b: Any) -> str:
        one, other = rule["knobs"]
        return "" if a <= b else f"{one}={a} is larger than {other}={b}: {rule['says']} Give {one} as {b} at most, or raise {other}."


@dataclass(frozen=True)
class OnlyWith(Rule):
    """Where `one` is among `values`, `other` must be among `allowed`."""

    values: tuple[Any, ...] = ()
    allowed: tuple[Any, ...] = ()
    word: ClassVar[str] = "only with"

    def json(self) -> dict[str, Any]:
        return super().json() | {"values": list(self.values), "allowed": list(self.allowed)}

    @classmethod
    def written(cls, rule: Mapping[str, Any]) -> str:
        one, other = rule["knobs"]
        return f"`{one}={' or '.join(map(str, rule['values']))}` goes only with `{other}={' or '.join(map(str, rule['allowed']))}`"

    @staticmethod
    def complaint(rule: Mapping[str, Any], a: Any, b: Any) -> str:
        one, other = rule["knobs"]
        if a not in rule["values"] or b in rule["allowed"]:
            return ""
        ways = " or ".join(map(str, rule["allowed"]))
        return f"{one}={a} does not go with {other}={b}: {rule['says']} Give {other} as {ways}, or choose another {one}."


@dataclass(frozen=True)
class MultipleWith(Rule):
    """Where `one` is among `values`, `other` is a multiple of `of`."""

    values: tuple[Any, ...] = ()
    of: int = 1
    word: ClassVar[str] = "multiple with"

    def json(self) -> dict[str, Any]:
        return super().json() | {"values": list(self.values), "of": self.of}

    @classmethod
    def written(cls, rule: Mapping[str, Any]) -> str:
        one, other = rule["knobs"]
        return f"`{one}={' or '.join(map(str, rule['values']))}` goes only with a multiple of {rule['of']} as `{other}`"

    @staticmethod
    def complaint(rule: Mapping[str, Any], a: Any, b: Any) -> str:
        (one, other), of = rule["knobs"], rule["of"]
        if a not in rule["values"] or b % of == 0:
            return ""
        near = max(of, b - b % of)
        return f"{one}={a} does not go with {other}={b}: {rule['says']} Give {other} as {near} or {near + of}, or choose another {one}."


KINDS: dict[str, type[Rule]] = {kind.word: kind for kind in Rule.__subclasses__()}


def broken(rules: Iterable[Mapping[str, Any]], flat: Mapping[str, Any]) -> list[str]:
    """A sentence for each rule (as in `labs --json`) that a declaration breaks: what was received, what is allowed."""
    out = []
    for rule in rules:
        one, other = rule["knobs"]
        if one in flat and other in flat:
            out.append(KINDS[rule["rule"]].complaint(rule, flat[one], flat[other]))
    return [sentence for sentence in out if sentence]


def _divisors(number: int) -> str:
    small = [n for n in range(1, number + 1) if number % n == 0]
    return ", ".join(map(str, small)) if len(small) <= 8 else f"{', '.join(map(str, small[:7]))}, … {small[-1]}"
