"""How a verb answers: a table or one JSON document, an exit code, or a refusal in one sentence."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from engine.core.nonfinite import jsonable
from engine.runs.ending import CODES

ANSWERED, BAD_USAGE, NOT_FOUND = 0, 2, 5  # what no run ends with; the rest are the codes of its end
FAILED, STOPPED = CODES["failed"], CODES["stopped"]


class Refusal(Exception):
    """What was asked cannot be done: an exit code and one sentence for stderr."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


def tell(as_json: bool, document: Any, lines: Iterable[str]) -> None:
    """Print the one JSON document, or the lines for a person."""
    if as_json:
        print(json.dumps(_plain(document), allow_nan=False))  # in ASCII, which every console can show
    else:
        for line in lines:
            print(line)
    sys.stdout.flush()


def table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[str]:
    """Columns padded to their widest cell; numbers to the right."""
    cells = [[_cell(c) for c in row] for row in rows]
    widths = [max(len(c) for c in column) for column in zip(head, *cells, strict=True)]
    right = [bool(rows) and all(isinstance(row[i], int | float) or row[i] is None for row in rows) for i in range(len(head))]

    def line(row: Sequence[str]) -> str:
        return "  ".join(c.rjust(w) if r else c.ljust(w) for c, w, r in zip(row, widths, right, strict=True)).rstrip()

    return [line(head), *(line(row) for row in cells)]


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    return f"{value:.5g}" if isinstance(value, float) else str(value)


def _plain(thing: Any) -> Any:
    """Dicts, lists and numbers that JSON can carry; NaN and infinities become their names."""
    if isinstance(thing, dict):
        return {str(k): _plain(v) for k, v in thing.items()}
    if isinstance(thing, list | tuple):
        return [_plain(v) for v in thing]
    return jsonable(thing)
