"""Tiles that have been computed before: `data/cache/maps/<key>.npy`, at most MOST of them.

The key holds everything that decides the bits: the question, the code that answers it, numpy and the processor's instructions.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import platform
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.core.files import regular, replace
from engine.core.paths import data_folder
from engine.labs.dynamics.models import descent

log = logging.getLogger(__name__)

MOST = 2048  # tiles of 16 kilobytes
DECIDES = Path(descent.__file__)


def read(question: str) -> NDArray[np.float64] | None:
    """What was written for this question, or None where there is nothing that can be read."""
    path = _file(question)
    try:
        with open(path, "rb", opener=regular) as file:
            kept = np.load(file, allow_pickle=False)
        os.utime(path)  # the oldest are removed first
    except (OSError, ValueError, EOFError):
        return None
    return kept if kept.dtype == np.float64 else None


def write(question: str, values: NDArray[np.float64]) -> None:
    """Keep it for the next time; a full disk costs that time, and not this answer."""
    path = _file(question)

    def save(beside: Path) -> None:
        with open(beside, "wb") as file:
            np.save(file, values, allow_pickle=False)

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace(path, save)
        _make_room(path.parent)
    except OSError as error:
        log.warning("A tile could not be kept: %s", error)


def _file(question: str) -> Path:
    machine = f"{platform.machine()} {_instructions()} {np.__version__}"
    whole = hashlib.sha256(f"{machine}\n{question}\n".encode() + DECIDES.read_bytes())
    return data_folder() / "cache" / "maps" / f"{whole.hexdigest()[:32]}.npy"


def _instructions() -> str:
    """What the processor offers decides which of its routines numpy takes."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line for line in lines if line.startswith(("model name", "Features", "CPU part"))), "")


def _make_room(folder: Path) -> None:
    """Remove the quarter that nobody has asked for longest, once there are too many."""
    with os.scandir(folder) as entries:
        files = [entry for entry in entries if entry.name.endswith(".npy")]
    if len(files) > MOST:
        times = {}
        for entry in files:
            with contextlib.suppress(OSError):
                times[entry.path] = entry.stat().st_mtime_ns
        for path in sorted(times, key=times.__getitem__)[: len(times) - 3 * MOST // 4]:
            with contextlib.suppress(OSError):
                os.unlink(path)
