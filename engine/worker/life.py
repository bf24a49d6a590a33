"""What every worker does whatever it trains: read the declaration, set the process up, and say in one line what went wrong."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from engine.core.disk import refused
from engine.runs.folder import RunFolder
from engine.worker.memory import go_first

LONGEST = 300  # characters of an exception that a page shows
NICE = 10  # a training takes what pages and index leave of the processor: all of it, where nobody looks


def load_lab(spec: dict[str, Any] | None) -> Any:
    """The declared lab with its knobs."""
    if spec is None:
        raise ValueError("The run has no readable spec.json.")
    from engine.core.catalog import Catalog
    from engine.labs.lab import Lab

    return Catalog("", Lab)[spec["lab"]].model_validate(spec["knobs"])


def set_up(lab: Any) -> None:
    """Make torch work reproducibly, on as many threads as the run takes."""
    import torch

    torch.set_num_threads(lab.threads)
    torch.set_num_interop_threads(1)
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.utils.deterministic.fill_uninitialized_memory = False


def prepare(lab: Any, folders: Sequence[RunFolder]) -> dict[str, Any]:
    """Set the process up -> the provenance of a run with this lab; `folders` hear which paths its kernels take."""
    set_up(lab)
    from engine.worker.provenance import add, provenance
    from kernels.launch import KERNEL_PATH

    def note(paths: dict[str, str]) -> None:
        """Which path a kernel takes is known when it is first asked for."""
        for folder in folders:
            with contextlib.suppress(OSError):  # a full disk does not end the training
                add(folder.path, kernels=paths)

    os.environ.setdefault("FAULTLINE_KERNELS", str(folders[0].path.parent.parent / "cache" / "kernels"))
    KERNEL_PATH.prefer(lab.kernels)
    KERNEL_PATH.listeners[:] = [note]
    return provenance(lab)


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


def come_last() -> None:
    """Behind the pages where they compete for a processor, before them where memory runs out."""
    lower_priority()
    go_first()


def on_signals(do: Callable[..., None]) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, do)
