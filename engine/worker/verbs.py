"""What a child of the fork server does: the verb of its request is the function `do_<verb>`, which returns its exit code."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine.runs.folder import RunFolder

READING = 300.0  # seconds for reading every lab, or the data of a run


def do_worker(request: dict[str, Any], files: list[int]) -> int:
    """Train one run, or several together; the output goes to the first file, the others are the locks that it holds as long as it lives."""
    os.dup2(files[0], 1)
    os.dup2(files[0], 2)
    for lock in files[1:]:
        os.set_inheritable(lock, False)
    from engine.worker import main

    return main.main(request["runs"])


def do_stacking(request: dict[str, Any], files: list[int]) -> int:
    """Measure whether these runs train faster together (engine/worker/stacking_cost.py)."""
    os.dup2(files[0], 1)
    os.dup2(files[0], 2)
    from engine.worker import stacking_cost

    return stacking_cost.main(request["runs"])


def do_labs(request: dict[str, Any], files: list[int]) -> int:
    """Write the document of `labs --json` to the first file."""
    os.dup2(files[1], 2)
    signal.setitimer(signal.ITIMER_REAL, READING)
    from engine.labs.reading import document

    with open(files[0], "w", encoding="utf-8") as out:
        json.dump(document(), out, allow_nan=False)
    return 0


def do_data(request: dict[str, Any], files: list[int]) -> int:
    """Write what a run would be trained on today to the first file."""
    os.dup2(files[1], 1)
    os.dup2(files[1], 2)
    signal.setitimer(signal.ITIMER_REAL, READING)
    from engine.worker.data_today import answer

    with open(files[0], "w", encoding="utf-8") as out:
        json.dump(answer(RunFolder(Path(request["run"]))), out)
    return 0


def do_panel(request: dict[str, Any], files: list[int]) -> int:
    """Write the frames of one panel to the first file, on the CPU."""
    os.dup2(files[1], 1)
    os.dup2(files[1], 2)
    from engine.labs.panel_frames import answer

    with open(files[0], "w", encoding="utf-8") as out:
        out.write(json.dumps(answer(request["name"], request["knobs"], request["seconds"]), allow_nan=False))
    return 0


def do_late(request: dict[str, Any], files: list[int]) -> int:
    """Try what is imported late, so that a file that does harm does it here."""
    signal.setitimer(signal.ITIMER_REAL, READING)
    from engine.labs.reading import import_late

    return 0 if import_late() else 1


VERBS: dict[str, Callable[[dict[str, Any], list[int]], int]] = {
    "worker": do_worker,
    "stacking": do_stacking,
    "labs": do_labs,
    "data": do_data,
    "panel": do_panel,
    "late": do_late,
}
