"""The worker: one process per run.  `python -m engine.worker RUN_FOLDER`

Reads spec.json, trains, tells state.json, spool, provenance.json and exit.json.  STOP and SIGTERM end
it gracefully, with a checkpoint; while torch is being imported there is nothing to save, and it leaves at once.
A worker whose folder has gone ends too.  Exit codes: 0 finished, 3 failed, 4 diverged, 6 stopped.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine.core.disk import refused
from engine.core.files import write_json
from engine.core.started import WORKER
from engine.runs.ending import CODES
from engine.runs.folder import RunFolder
from engine.worker.memory import go_first, limited
from engine.worker.output import forgive_full_disk
from engine.worker.progress import Last

LONGEST = 300  # characters of an exception that a page shows
NICE = 10  # a training takes what pages and index leave of the processor: all of it, where nobody looks


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


def load_lab(spec: dict[str, Any] | None) -> Any:
    """The declared lab with its knobs."""
    if spec is None:
        raise ValueError("The run has no readable spec.json.")
    from engine.core.catalog import Catalog
    from engine.labs.lab import Lab

    return Catalog("", Lab)[spec["lab"]].model_validate(spec["knobs"])


def train_lab(
    lab: Any, folder: RunFolder, stop_requested: threading.Event, last: Last | None = None, loaded: Callable[[], None] = lambda: None
) -> str:
    """Set the process up for reproducible work, then train."""
    import torch

    torch.set_num_threads(lab.threads)
    torch.set_num_interop_threads(1)
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.utils.deterministic.fill_uninitialized_memory = False
    from engine.worker.fit import train
    from engine.worker.play import play
    from engine.worker.provenance import add, provenance
    from kernels.launch import KERNEL_PATH

    def note(paths: dict[str, str]) -> None:
        """Which path a kernel takes is known when it is first asked for."""
        with contextlib.suppress(OSError):  # a full disk does not end the training
            add(folder.path, kernels=paths)

    write_json(folder.path / "provenance.json", provenance(lab))
    os.environ.setdefault("FAULTLINE_KERNELS", str(folder.path.parent.parent / "cache" / "kernels"))
    KERNEL_PATH.prefer(lab.kernels)
    KERNEL_PATH.listeners[:] = [note]
    loaded()
    with limited(lab.device):
        return (play if "play" in lab.provides else train)(lab, folder, stop_requested, last or Last())


def sentence(error: BaseException) -> str:
    """An exception in one line for a person; the traceback is in out.log."""
    if out_of_memory(error):
        where = "The GPU's memory" if "CUDA" in str(error) or "HIP" in str(error) else "Memory"
        return f"{where} ran out: the run asked for more than there was. Make the model, the context or the batch smaller."
    if (reason := refused(error)) and not isinstance(error, PermissionError):
        return f"Its files could not be written, for {reason}; resume it once they can be."
    told = " ".join(str(error.args[0] if isinstance(error, KeyError) and error.args else error).split())
    short = told if len(told) <= LONGEST else f"{told[:LONGEST]} …"
    return f"{type(error).__name__}: {short}" if told else type(error).__name__


def out_of_memory(error: BaseException) -> bool:
    """Python, the system and torch each tell it in their own way; torch's CPU allocator has no exception of its own."""
    if isinstance(error, RuntimeError):
        return type(error).__name__ == "OutOfMemoryError" or any(sign in str(error) for sign in ("can't allocate memory", "bad_alloc"))
    return isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM)


def lower_priority() -> None:
    """Others come first.  Linux may share the processor between sessions before it looks at processes, and a worker leads its own."""
    os.nice(NICE)
    with contextlib.suppress(OSError):
        Path("/proc/self/autogroup").write_text(str(NICE))


def main(arguments: list[str]) -> int:
    """The life of one worker."""
    if len(arguments) != 1 or not (Path(arguments[0]) / "spec.json").is_file():
        sys.stderr.write(f"Usage: python -m {WORKER} RUN_FOLDER, a folder that holds a spec.json.\n")
        return 2
    folder = RunFolder(Path(arguments[0]).resolve())
    if message := folder.unreadable():
        sys.stderr.write(f"{folder.run}: {message}.\n")
        return 2
    forgive_full_disk()
    lower_priority()
    go_first()
    identity, stop_requested = folder.identity(), threading.Event()

    def leave(*_: Any) -> None:
        with contextlib.suppress(OSError):
            folder.write_exit("stopped", code=CODES["stopped"], message="Stopped while it was starting; nothing was trained.")
        os._exit(CODES["stopped"])

    def on_signals(do: Callable[..., None]) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, do)

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
