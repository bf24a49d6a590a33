"""The next points of a search, from a child process in which Optuna chooses them: nothing of Optuna is loaded where runs are planned."""

from __future__ import annotations

import importlib.util
import json
import signal
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from engine.core import started
from engine.core.environment import for_workers
from engine.core.paths import ROOT
from engine.runs.ending import signal_name
from engine.search.outcome import Point

SECONDS = 30.0  # for one question; after that the child is killed
MISSING = "The search needs Optuna, which is not installed here; `pip install -e '.[search]'` in the folder of Faultline brings it."


class NoSuggestion(Exception):
    """Optuna chose nothing; the message is one sentence."""


def suggest(question: Mapping[str, Any]) -> list[Point]:
    """`question`: as engine/search/sampler.py reads it.  NoSuggestion where Optuna is missing, fails, hangs or does not answer in JSON."""
    if importlib.util.find_spec("optuna") is None:
        raise NoSuggestion(MISSING)
    try:
        child = subprocess.run(
            [sys.executable, "-m", started.SAMPLER],
            cwd=ROOT,
            env=for_workers({"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}),
            input=json.dumps({**question, "seconds": SECONDS}),
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
            start_new_session=True,  # Ctrl-C stops the runs, not this
        )
    except subprocess.TimeoutExpired:
        raise NoSuggestion(_late()) from None
    if child.returncode:
        raise NoSuggestion(_ended(child.returncode, child.stderr))
    try:
        points = json.loads(child.stdout)["points"]
    except (ValueError, KeyError, TypeError):
        points = None
    if not isinstance(points, list) or not all(isinstance(point, dict) and point for point in points):
        raise NoSuggestion("Optuna's process did not answer with points.")
    return points


def _late() -> str:
    return f"Optuna did not choose the next points within {SECONDS:g} s."


def _ended(code: int, trace: str) -> str:
    if code == -getattr(signal, "SIGALRM", 0):
        return _late()
    how = f"signal {signal_name(-code)}" if code < 0 else f"code {code}"
    why = next((line.strip() for line in reversed(trace.splitlines()) if line.strip()), "")
    return f"Optuna's process ended with {how}{f' ({why:.200})' if why else ''}."
