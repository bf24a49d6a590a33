"""The picture of a map in a file."""

from __future__ import annotations

from pathlib import Path

from engine.commands._answer import FAILED, Refusal
from engine.core.disk import why
from engine.core.files import replace


def write_picture(file: str, svg: str) -> None:
    """Write it whole, over an older one.  A refusal, in one sentence, where it cannot be written."""
    path = Path(file).expanduser()
    try:
        replace(path, lambda beside: beside.write_text(svg + "\n", encoding="utf-8"))
    except OSError as error:
        raise Refusal(FAILED, f"The picture {file} could not be written: {why(error)}.") from None
