"""A panel's frames, computed in a child process: a child of the fork server, or `python -m engine.labs.panel_frames` without one.

The answer is one JSON document: {"frames": {frame: {column: […]}}}, or {"says": sentence, "trace": text} for
what could not be computed.  NaN and infinities travel as words (engine/core/nonfinite.py).
"""

from __future__ import annotations

import json
import math
import signal
import sys
import traceback
from typing import Any

from engine.core.child import limit_memory
from engine.core.nonfinite import WORDS, jsonable
from engine.labs.panel import Frames, panel

MEMORY = 2**30  # bytes that a panel may take: the machine belongs to the trainings
LARGEST = 500_000  # values in all frames of one answer: more than any screen can show

Answer = dict[str, Any]


def answer(name: str, knobs: dict[str, Any], seconds: float, memory: int = MEMORY) -> Answer:
    """Compute the panel `name` with its (nested) knobs, in a process that is there for nothing else.

    SIGALRM ends it where it takes longer than `seconds`, whatever it does; it gets `memory` bytes more than it has.
    """
    limit_memory(memory)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)  # not a handler: the kernel also ends what never comes back to Python
    signal.setitimer(signal.ITIMER_REAL, seconds)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)
    try:
        return {"frames": encoded(panel(name).model_validate(knobs).compute())}
    except ValueError as error:
        return {"says": " ".join(str(error).split()), "trace": ""}
    except MemoryError:
        return {"says": "There is not enough memory for these settings; choose smaller ones.", "trace": ""}
    except Exception as error:
        what = " ".join(f"{type(error).__name__}: {error}".split())
        return {"says": f"The panel `{name}` broke: {what}", "trace": traceback.format_exc()}


def encoded(frames: Frames) -> Frames:
    """Frames as JSON can carry them.  TypeError for what is no frame: columns of unequal length, or values that are no number or text."""
    out: Frames = {}
    for name, frame in frames.items():
        out[name] = {column: [_plain(v) for v in _listed(values)] for column, values in frame.items()}
        lengths = {column: len(values) for column, values in out[name].items()}
        if len(set(lengths.values())) > 1:
            raise TypeError(f"the columns of frame {name!r} have unequal lengths {lengths}")
    size = sum(len(values) for frame in out.values() for values in frame.values())
    if size > LARGEST:
        raise TypeError(f"the frames hold {size:,} values; at most {LARGEST:,} are allowed")
    return out


def decoded(frames: Frames) -> Frames:
    """The inverse of `encoded`.  A column with other words in it is text, and its "NaN" stays a word."""
    return {name: {column: _numbers(values) for column, values in frame.items()} for name, frame in frames.items()}


def odd_values(frames: Frames) -> dict[str, int]:
    """How many numbers are not finite: {"frame.column": count}, only where there are any."""
    counts = {
        f"{name}.{column}": sum(isinstance(v, float) and not math.isfinite(v) for v in values)
        for name, frame in frames.items()
        for column, values in frame.items()
    }
    return {where: count for where, count in counts.items() if count}


def _listed(values: Any) -> list[Any]:
    return values.tolist() if hasattr(values, "tolist") else list(values)


def _plain(value: Any) -> Any:
    if type(value) is float and math.isfinite(value):  # nearly all of them
        return value
    if hasattr(value, "item"):
        value = value.item()
    if value is None or isinstance(value, bool | int | str):
        return value
    if not isinstance(value, float):
        raise TypeError(f"a frame holds numbers, words and None, not {type(value).__name__}")
    return jsonable(value)


def _numbers(values: list[Any]) -> list[Any]:
    if any(isinstance(v, str) and v not in WORDS for v in values):
        return values
    return [WORDS.get(v, v) if isinstance(v, str) else v for v in values]


if __name__ == "__main__":
    asked = json.load(sys.stdin)
    json.dump(answer(**asked), sys.stdout, allow_nan=False)
