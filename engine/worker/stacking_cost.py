"""What a step of a run costs alone and among others, measured once and kept (engine/declare/stacks.py).

`python -m engine.worker.stacking_cost RUN_FOLDER …` measures with the declarations of these runs and leaves their folders as they are.
A step is what a training does without its probes, which cost the same either way: forward, backward, clip, and the optimizer.
"""

from __future__ import annotations

import signal
import statistics
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from engine.core.paths import data_folder
from engine.declare import stacks
from engine.declare.lab_catalog import leave_out_known
from engine.runs.folder import RunFolder
from engine.worker.life import come_last, load_lab, set_up

STEPS = 3  # of each way, after one that is not counted
LONGEST = 120.0  # seconds after which SIGALRM ends it, and nothing is kept


def measure(labs: Sequence[Any]) -> stacks.Cost:
    """Time steps of as many runs as there are labs, one by one and together.  Whatever the lab raises passes through."""
    alone = _median(_steps_of(labs[:1]))
    together = _median(_steps_of(labs)) / len(labs)
    return stacks.Cost(len(labs), 1e3 * alone, 1e3 * together)


def _median(step: Callable[[], None]) -> float:
    step()
    taken = []
    for _ in range(STEPS):
        started = time.process_time()
        step()
        taken.append(time.process_time() - started)
    return statistics.median(taken)


def _steps_of(labs: Sequence[Any]) -> Callable[[], None]:
    from engine.worker.stack_trial import playing, single, together

    if "play" in labs[0].provides:
        return playing(labs)
    return single(labs[0]) if len(labs) == 1 else together(labs)


def note(folders: Sequence[RunFolder]) -> None:
    """Measure and keep; what could not be measured is kept as that, so that nobody tries it again and again."""
    data, spec = folders[0].path.parent.parent, folders[0].spec() or {}
    members = stacks.counted(len(folders))
    try:
        labs = [load_lab(folder.spec()) for folder in folders[:members]]
        set_up(labs[0])
        found = measure(labs)
    except Exception:  # a lab may raise anything
        traceback.print_exc()
        found = stacks.Cost(members, 0.0, 0.0)
    stacks.note(data, spec, found, time.time())


def main(arguments: Sequence[str]) -> int:
    come_last()
    signal.setitimer(signal.ITIMER_REAL, LONGEST)
    note([RunFolder(Path(argument).resolve()) for argument in arguments])
    return 0


if __name__ == "__main__":
    leave_out_known(data_folder())
    sys.exit(main(sys.argv[1:]))
