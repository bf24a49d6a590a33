"""What a run needs to start: its lock, and the environment of its worker."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from engine.core import locks
from engine.core.files import of_the_machine
from engine.declare.knobs import unnest
from engine.runs.folder import RunFolder


def lock_of(folder: RunFolder) -> locks.RunLock | None:
    """The lock of a queued run, or None while somebody else has it.

    A run whose lock nobody can ever take (a directory stands there, or a link) ends as failed; the OSError passes through.
    """
    try:
        return locks.take(folder.path / "claim")
    except OSError as error:
        if not of_the_machine(error) and folder.status() == "queued":
            folder.write_exit("failed", message=f"The worker could not be started ({error}).")
        raise


def lock_to_start(folder: RunFolder, held: ExitStack) -> locks.RunLock | None:
    """The lock of a run that is for us to start, which `held` gives back; one that was asked to stop ends here."""
    mine = lock_of(folder)
    if mine is None:
        return None
    if folder.status() == "queued" and not (folder.path / "STOP").exists():
        held.callback(mine.release)
        return mine
    if folder.status() == "queued":
        folder.write_exit("stopped", message="Stopped before it began.")
    mine.release()
    return None


def environment_of(folder: RunFolder, data: Path, gpus: Sequence[str], gpu: str | None = None) -> dict[str, str]:
    """What its worker finds beside the environment of this process; `gpu`: the one of `gpus` that was chosen for it."""
    knobs = unnest((folder.spec() or {}).get("knobs", {}))
    threads = str(knobs.get("threads", 1))
    environment = {"OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads, "FAULTLINE_DATA": str(data.resolve())}
    wanted = str(knobs.get("device", "cpu"))  # "cuda" gets one GPU to itself, "cuda:N" sees all and takes its own
    if wanted == "cpu":
        environment["CUDA_VISIBLE_DEVICES"] = ""
    elif wanted == "cuda" and (gpu or gpus):
        environment["CUDA_VISIBLE_DEVICES"] = gpu or gpus[0]
    return environment
