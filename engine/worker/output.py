"""A worker's output: what a full disk refuses of it is left out, and ends no training."""

from __future__ import annotations

import io
import sys
from typing import Any


class Forgiving(io.FileIO):
    """A descriptor whose writes always succeed."""

    def write(self, data: Any, /) -> int:
        try:
            return super().write(data) or 0
        except OSError:
            return memoryview(data).nbytes


def forgive_full_disk() -> None:
    """Let prints, warnings and tracebacks of this process go to its output as far as the disk takes them, in UTF-8 whatever the console."""
    for name, number in (("stdout", 1), ("stderr", 2)):
        raw = io.BufferedWriter(Forgiving(number, "w", closefd=False))
        setattr(sys, name, io.TextIOWrapper(raw, "utf-8", "backslashreplace", line_buffering=True, write_through=True))
