"""Whether a file of docs/measured/ holds what a record holds.

Pages, texts and cards take numbers out of a record without asking again, so it is checked once, where it is read: a record that was cut,
merged by hand or half restored counts as not measured, and stops no page.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from engine.core.nonfinite import WORDS

Check = Callable[[Any], bool]


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _whole(value: Any) -> bool:
    return type(value) is int


def _measured(value: Any) -> bool:
    """A number, the word of one that is not finite, or null."""
    return value is None or type(value) in (int, float) or (isinstance(value, str) and value in WORDS)


def _scalar(value: Any) -> bool:
    return not isinstance(value, dict | list)


def _list(check: Check) -> Check:
    return lambda value: isinstance(value, list) and all(map(check, value))


def _each(check: Check) -> Check:
    return lambda value: isinstance(value, dict) and all(map(check, value.values()))


def _with(parts: Mapping[str, Check]) -> Check:
    return lambda value: isinstance(value, dict) and all(name in value and check(value[name]) for name, check in parts.items())


def _steps_and(check: Check) -> Check:
    """A series of a film: a value for each step, of at least one."""
    both = _with({"step": _list(_whole), "value": _list(check)})
    return lambda value: both(value) and len(value["step"]) == len(value["value"]) > 0


BAND = _with({"n": _whole, "of": _whole, "scale": _text, **dict.fromkeys(("median", "low", "high"), _measured)})
PAIR = _with({"n": _whole, "k": _whole, "kind": _text, **dict.fromkeys(("median", "low", "high", "p"), _measured)})
RUN = _with(
    {"seed": _whole, "status": _text, "steps": _whole, "cpu_seconds": lambda v: type(v) in (int, float), "values": _each(_measured)}
)
RECORD = _with(
    {
        **dict.fromkeys(("lab", "preset", "date", "commit"), _text),
        "knobs": _each(_scalar),
        "seeds": lambda value: _list(_whole)(value) and bool(value),
        "runs": lambda value: _list(RUN)(value) and bool(value),
        "summary": _each(BAND),
        "paired": _each(_each(PAIR)),
        "environment": _with({"device": _text, "versions": lambda value: _each(_text)(value) and "torch" in value}),
        "film": _with({"curves": _each(_steps_and(_measured)), "vectors": _each(_steps_and(_list(_measured)))}),
    }
)


def sound(document: Mapping[str, Any]) -> bool:
    """Whether every part of it that is read has its type."""
    return RECORD(document)
