"""The claim on a run: a file lock that says "somebody starts or minds this run", and that no death leaves behind.

Whoever wants to start a run takes its claim first, so that two processes never start the same one.
The worker inherits the lock and holds it as long as it lives; a starter killed between starting the
worker and writing proc.json therefore leaves no run that could be started twice.
"""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path

import psutil


class Claim:
    """A claim that is held.  `fd` is what a child inherits; `release` lets go of this process's share only."""

    def __init__(self, fd: int) -> None:
        self.fd = fd

    def release(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


def take(folder: Path) -> Claim | None:
    """The claim on a run, or None while somebody else has it.  The file names its holder for people."""
    try:
        fd = os.open(folder / "claim", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except FileNotFoundError:  # the run was deleted
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        return None
    os.truncate(fd, 0)
    os.pwrite(fd, json.dumps({"pid": os.getpid(), "created": psutil.Process().create_time()}).encode(), 0)
    return Claim(fd)


def taken(folder: Path) -> bool:
    """True while somebody starts or minds the run, or while its worker lives."""
    try:
        fd = os.open(folder / "claim", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False
