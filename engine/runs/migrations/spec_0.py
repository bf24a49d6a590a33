"""Format 0, of Faultline 0.1: as format 1, but without its number and without the lab's edition, which was the first everywhere."""

from __future__ import annotations

from typing import Any


def migrate(spec: dict[str, Any]) -> dict[str, Any]:
    """A declaration of format 0 -> the same of format 1."""
    return {**spec, "format": 1, "edition": 1}
