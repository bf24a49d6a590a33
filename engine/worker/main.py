"""The worker: a process that trains one run, or several together (engine/worker/stack.py).  `python -m engine.worker RUN_FOLDER …`

Reads spec.json, trains, tells state.json, spool, provenance.json and exit.json.  STOP and SIGTERM end
it gracefully, with a checkpoint; while torch is being imported there is nothing to save, and it leaves at once.
A worker whose folder has gone ends too.  Exit codes: 0 finished, 3 failed, 4 diverged, 6 stopped.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine.core.files import write_json
from engine.core.started import WORKER
from engine.declare import stacks
from engine.runs.ending import CODES
from engine.runs.folder import RunFolder
from engine.worker.life import come_last, load_lab, on_signals, prepare, sentence
from engine.worker.memory import limited
from engine.worker.output import forgive_full_disk
from engine.worker.progress import Last


def work(
    folder: RunFolder, stop_requested: threading.Event, last: Last | None = None, loaded: Callable[[], None] = lambda: None
) -> tuple[str, str]:
    """Train the run -> (status, what to say of it).  Nothing of a failure passes through but its sentence.

    `last` hears how far it came; `loaded` is called when everything is imported and the training begins.
    """
    last = last or Last()
    try:
        lab = load_lab(folder.spec())
        return train_lab(lab, folder, stop_requested, last, loaded), last.message
    except Exception as error:
        traceback.print_exc()
        return "failed", sentence(error)


def train_lab(
    lab: Any, folder: RunFolder, stop_requested: threading.Event, last: Last | None = None, loaded: Callable[[], None] = lambda: None
) -> str:
    """Set the process up for reproducible work, then train."""
    provenance = {**prepare(lab, [folder]), "stack": None}
    if lab.provides & stacks.WORDS and (why := stacks.against(folder.path.parent.parent, folder.spec() or {})):
        provenance["stacking"] = why
    write_json(folder.path / "provenance.json", provenance)
    from engine.worker.fit import train
    from engine.worker.play import play

    loaded()
    with limited(lab.device):
        return (play if "play" in lab.provides else train)(lab, folder, stop_requested, last or Last())


def main(arguments: list[str]) -> int:
    """The life of one worker."""
    if not arguments or not all((Path(argument) / "spec.json").is_file() for argument in arguments):
        sys.stderr.write(f"Usage: python -m {WORKER} RUN_FOLDER …, each a folder that holds a spec.json.\n")
        return 2
    folders = [RunFolder(Path(argument).resolve()) for argument in arguments]
    for folder in folders:
        if message := folder.unreadable():
            sys.stderr.write(f"{folder.run}: {message}.\n")
            return 2
    forgive_full_disk()
    come_last()
    if len(folders) > 1:
        from engine.worker import stack

        return stack.main(folders)
    folder = folders[0]
    identity, stop_requested = folder.identity(), threading.Event()

    def leave(*_: Any) -> None:
        with contextlib.suppress(OSError):
            folder.write_exit("stopped", code=CODES["stopped"], message="Stopped while it was starting; nothing was trained.")
        os._exit(CODES["stopped"])

    on_signals(leave)
    spec = folder.spec() or {}
    knobs = spec.get("knobs", {})
    os.environ["OMP_NUM_THREADS"] = str(knobs.get("threads", 1))  # read by torch when it is imported
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # what cuBLAS needs to be deterministic
    starting = {"step": 0, "steps": knobs.get("steps"), "phase": "starting", "step_seconds": None, "dropped": 0}
    last = Last()
    try:
        process = folder.process()
        if process is None or process.pid != os.getpid():  # whoever started us may have been killed before it could write it
            folder.write_process(os.getpid(), os.environ.get("CUDA_VISIBLE_DEVICES", ""))
        write_json(folder.path / "state.json", {**starting, "attempt": None, "updated": time.time(), "probe_share": 0.0})
        status, message = work(folder, stop_requested, last, lambda: on_signals(lambda *_: stop_requested.set()))
    except OSError as error:
        status, message = "failed", sentence(error)
    if folder.identity() != identity:
        return CODES["stopped"]  # nobody is left to be told
    with contextlib.suppress(OSError):  # whoever started us tells it by our exit code, again and again
        folder.write_exit(status, code=CODES[status], message=message, step=last.step, dropped=last.dropped)
    return CODES[status]
