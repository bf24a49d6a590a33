"""Small files as a whole: written beside their place and renamed, read as JSON."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any


def replace(path: Path, write: Callable[[Path], object], *, alone: bool = False) -> None:
    """`write` fills a file beside `path`, which then takes its place: a reader sees the old file or the new one, never half of one.

    When anything fails, the old file stays and the new one is removed; the error passes through, an OSError of a full disk too.
    `alone`: only one process at a time writes this file, so that what a kill left behind is overwritten instead of piling up.
    """
    beside = path.with_name(f".{path.name}.part" if alone else f".{path.name}.{os.getpid()}.{secrets.token_hex(3)}")
    try:
        write(beside)
        os.replace(beside, path)
    except BaseException:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)
        raise


def write_json(path: Path, thing: Any) -> None:
    replace(path, lambda beside: beside.write_text(json.dumps(thing, indent=1, allow_nan=False) + "\n"))


def read_json(path: Path) -> dict[str, Any] | None:
    """The JSON object at `path`, or None where there is none (or none that parses)."""
    try:
        thing = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    return thing if isinstance(thing, dict) else None
