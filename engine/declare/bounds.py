"""What a knob accepts, in one wording: for the form, the messages, the command line and the reference pages.

Works on one knob as `labs --json` describes it.  Bounds are inclusive and in the knob's own unit.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

WORDS = {"int": "a whole number", "float": "a number", "bool": "true or false", "str": "text"}


def allowed(spec: Mapping[str, Any]) -> str:
    """ "a whole number from 1 to 9 (steps)", "a number of at least 0", "one of fp32, bf16", "true or false", "text"."""
    if spec["choices"]:
        return f"one of {', '.join(choice['name'] for choice in spec['choices'])}"
    words = spec.get("form") or WORDS.get(spec["kind"], spec["kind"])
    low, high = (end if end is None or isinstance(end, int) else f"{end:g}" for end in (spec["min"], spec["max"]))
    if low is not None and high is not None:
        words += f" from {low} to {high}"
    elif low is not None:
        words += f" of at least {low}"
    elif high is not None:
        words += f" of at most {high}"
    return f"{words} ({spec['unit']})" if spec["unit"] else words


def inside(spec: Mapping[str, Any], number: float) -> bool:
    """Whether a finite number lies within the bounds, ends included; an end that is None holds nothing back."""
    low, high = spec["min"], spec["max"]
    return (low is None or number >= low) and (high is None or number <= high)


def closed(spec: Mapping[str, Any]) -> bool:
    """Whether the knob is a number with both ends, so that a slider can show all of it."""
    return spec["kind"] in ("int", "float") and spec["min"] is not None and spec["max"] is not None
