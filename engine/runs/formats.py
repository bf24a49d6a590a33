"""Formats of spec.json: what this Faultline writes, how it reads older ones, and what it says of a newer one.

A declaration without a number is of format 0.  An older one is taken up format by format by
`engine/runs/migrations/spec_<format>.py`, found by file name, while it is read; the file stays as it was written.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from typing import Any

from engine.runs import migrations

FORMAT = 1
LONGEST = 400  # characters of a name in a declaration


def problem(spec: dict[str, Any]) -> str:
    """Why this declaration cannot be read, in one sentence; empty for one that can."""
    format_ = spec.get("format", 0)
    if type(format_) is not int or format_ < 0:
        return f"its spec.json gives the format {format_!r}, which is no whole number from 0 (this Faultline reads up to {FORMAT})"
    if format_ > FORMAT:
        return f"made by a newer Faultline (format {format_}; this one reads up to {FORMAT})"
    return next((f"its spec.json {odd}" for odd in _odd(spec)), "")


def _odd(spec: dict[str, Any]) -> Iterator[str]:
    """What a declaration may not hold, whoever wrote it; whether its knobs fit the lab is the worker's business."""
    lab, knobs = spec.get("lab"), spec.get("knobs")
    if not isinstance(lab, str) or not re.fullmatch(r"[a-z0-9_]{1,80}", lab):
        yield f"names the lab {str(lab)[:80]!r}; a name is a word of a to z, digits and _"
    for name in ("preset", "who", "parent", "twin", "sweep", "identity", "code"):
        if not isinstance(spec.get(name), str | None) or len(spec.get(name) or "") > LONGEST:
            yield f"gives as {name} what is no text of at most {LONGEST} characters"
    for name in ("created", "edition"):
        if spec.get(name) is not None and not _number(spec[name]):
            yield f"gives as {name} what is no number"
    if not isinstance(knobs, dict):
        yield "holds no knobs"
        return
    for name, value in knobs.items():
        inner = value if isinstance(value, dict) else {"is": value}
        if "is" not in inner or any(isinstance(one, dict | list) for one in inner.values()):
            yield f"gives the knob {name[:80]!r} a value that no knob has"
    for name, most in (("threads", 4096), ("steps", 2**62)):
        value = knobs.get(name, 1)
        if type(value) is not int or not 0 <= value <= most:
            yield f"gives {name}={str(value)[:80]!r}; allowed is a whole number from 0 to {most}"


def _number(thing: Any) -> bool:
    return type(thing) in (int, float) and abs(thing) < 2**62


def migrated(spec: dict[str, Any]) -> dict[str, Any]:
    """A readable declaration in the words of today's format; the one that was given stays as it is."""
    for format_ in range(spec.get("format", 0), FORMAT):
        spec = importlib.import_module(f"{migrations.__name__}.spec_{format_}").migrate(spec)
    return spec
