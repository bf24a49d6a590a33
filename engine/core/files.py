"""Small files as a whole: written beside their place and renamed, read as JSON."""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path
from typing import Any


def write_json(path: Path, thing: Any) -> None:
    """Write beside the place and rename: a reader sees the old file or the new one."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(3)}")
    try:
        beside.write_text(json.dumps(thing, indent=1, allow_nan=False) + "\n")
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def read_json(path: Path) -> dict[str, Any] | None:
    """The JSON object at `path`, or None where there is none (or none that parses)."""
    try:
        thing = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    return thing if isinstance(thing, dict) else None
