"""Formats of spec.json: what this Faultline writes, how it reads older ones, and what it says of a newer one.

A declaration without a number is of format 0.  An older one is taken up format by format by
`engine/runs/migrations/spec_<format>.py`, found by file name, while it is read; the file stays as it was written.
"""

from __future__ import annotations

import importlib
from typing import Any

from engine.runs import migrations

FORMAT = 1


def problem(spec: dict[str, Any]) -> str:
    """Why this declaration cannot be read, in one sentence; empty for one that can."""
    format_ = spec.get("format", 0)
    if type(format_) is not int or format_ < 0:
        return f"its spec.json gives the format {format_!r}, which is no whole number from 0 (this Faultline reads up to {FORMAT})"
    return f"made by a newer Faultline (format {format_}; this one reads up to {FORMAT})" if format_ > FORMAT else ""


def migrated(spec: dict[str, Any]) -> dict[str, Any]:
    """A readable declaration in the words of today's format; the one that was given stays as it is."""
    for format_ in range(spec.get("format", 0), FORMAT):
        spec = importlib.import_module(f"{migrations.__name__}.spec_{format_}").migrate(spec)
    return spec
