"""What the small files of a run may say: whatever has the wrong type or lies out of bounds counts as not said.

A run's folder is copied, edited, restored from half a backup; its readers are loops that serve everybody.  So a value is checked once,
where its file is read, and no reader behind it meets a text where a number belongs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

WORDS = 320  # characters of a text
DEEPEST = 6  # levels of a provenance

Check = Callable[[Any], bool]


def whole(value: Any) -> bool:
    """A count that a table can hold."""
    return type(value) is int and 0 <= value < 2**63


def amount(value: Any) -> bool:
    """Seconds, a share: finite and not negative."""
    return type(value) in (int, float) and 0 <= value < 1e18


def words(value: Any) -> bool:
    """A text of a sentence's length."""
    return isinstance(value, str) and len(value) <= WORDS


STATE: Mapping[str, Check] = {
    **dict.fromkeys(("step", "steps", "dropped", "attempt"), whole),
    **dict.fromkeys(("step_seconds", "updated", "cpu_seconds", "probe_share"), amount),
    "phase": words,
}
END: Mapping[str, Check] = {
    **{"status": words, "signal": words, "says": words, "step": whole, "dropped": whole, "ended": amount},
    "code": lambda value: type(value) is int and abs(value) < 2**31,
}


def state_said(document: Mapping[str, Any]) -> dict[str, Any]:
    """The content of state.json, without what no worker says."""
    return {name: value for name, value in document.items() if value is None or (name in STATE and STATE[name](value))}


def end_said(document: Mapping[str, Any]) -> dict[str, Any]:
    """The content of exit.json; what no worker says of an end is None, and its sentence is a text."""
    said = document.get("says")
    out = {name: document[name] if check(document[name]) else None for name, check in END.items() if name in document}
    return {**out, "says": said[:WORDS] if isinstance(said, str) else ""}


def provenance_said(document: Mapping[str, Any]) -> dict[str, Any]:
    """The content of provenance.json: scalars, lists of them and sections; `stack` only where its members are names."""
    out = {name: value for name, value in document.items() if _plain(value, DEEPEST)}
    stack = out.get("stack")
    members = stack.get("members") if isinstance(stack, dict) else None
    if stack is not None and not (isinstance(members, list) and all(words(one) for one in members)):
        out["stack"] = None
    return out


def _plain(value: Any, deep: int) -> bool:
    if isinstance(value, dict):
        return deep > 0 and all(_plain(one, deep - 1) for one in value.values())
    if isinstance(value, list):
        return deep > 0 and all(_plain(one, deep - 1) for one in value)
    return not isinstance(value, float) or math.isfinite(value)
