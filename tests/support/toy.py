"""A catalog with one toy lab, the command line of its workers, and two small helpers."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

PATIENCE = 240.0  # seconds; what happens at all happens within a minute, also on a busy machine
WORKER = [sys.executable, str(Path(__file__).parent / "fake" / "worker.py")]


def spec(name: str, kind: str, default: Any, low: float | None = None, high: float | None = None) -> dict[str, Any]:
    blank = {"choices": [], "unit": "", "source": "", "about": "a knob", "group": "training"}
    return {"name": name, "kind": kind, "default": default, "min": low, "max": high, **blank}


KNOBS = [
    spec("seed", "int", 0, 0, 10),
    spec("steps", "int", 20, 1, 10**7),
    spec("device", "str", "cpu"),
    spec("threads", "int", 1, 1, 256),
    spec("behave", "str", "finish"),
    spec("code", "int", 0, 0, 255),
    spec("pace", "float", 0.0, 0, 1),
]
PRESET = {"story": "It runs.", "see": "", "twin": None, "gpu": None, "grid": None, "kind": "control"}
TOY = {"lab": "toy", "title": "A toy", "icon": "", "papers": [], "story": "", "panels": [], "knobs": KNOBS}
TOY["presets"] = {"short": {**PRESET, "knobs": {"steps": 3}}}
DOCUMENT = {
    "labs": [TOY],
    "probes": [],
    "detectors": [],
    "errors": [{"file": "engine/labs/moe/bad.py", "says": "SyntaxError: no", "kind": "lab", "name": "bad"}],
}

Answer = tuple[int, Any, str]


def until(true: Callable[[], Any]) -> None:
    limit = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < limit, "it did not happen"
        time.sleep(0.01)


def refused(answer: Answer, code: int, part: str) -> None:
    """One sentence on stderr, nothing on stdout."""
    assert answer[0] == code
    assert answer[1] == ""
    assert part in answer[2]
    assert answer[2].count("\n") == 1
