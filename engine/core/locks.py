"""Locks between processes: a locked file says "somebody has this in hand", and no death leaves it behind.

`runs/<id>/claim`: whoever wants to start a run takes its lock first, so that two processes never
start the same one.  The worker inherits the lock and holds it as long as it lives; a starter killed
between starting the worker and writing proc.json therefore leaves no run that could start twice.
`data/supervisor.lock`: the one process that starts queued runs.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from pathlib import Path

import psutil

from engine.core.files import read_json, regular


class RunLock:
    """A lock that is held.  `fd` is what a child inherits; `release` lets go of this process's share only."""

    def __init__(self, fd: int) -> None:
        self.fd = fd

    def release(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


def take(path: Path) -> RunLock | None:
    """The lock at `path`, or None while somebody else has it.  The file names its holder for people."""
    try:
        fd = locked(path)
    except FileNotFoundError:  # the folder was deleted
        return None
    if fd is None:
        return None
    sign(fd, json.dumps({"pid": os.getpid(), "created": psutil.Process().create_time()}))
    return RunLock(fd)


def sign(fd: int, holder: str) -> None:
    """Name the holder of a lock in its file.  It is held without that too, such as on a full disk."""
    with contextlib.suppress(OSError):
        os.truncate(fd, os.pwrite(fd, holder.encode(), 0))


def locked(path: Path) -> int | None:
    """A descriptor of the file at `path` that holds its lock, or None while somebody else holds it."""
    fd = regular(str(path), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        return None
    return fd


def holder(path: Path) -> int | None:
    """The process that took the lock at `path` last, as the file names it."""
    pid = (read_json(path, 4096) or {}).get("pid")
    return pid if type(pid) is int else None


def is_locked(path: Path) -> bool:
    """True while somebody holds the lock at `path`; of a run: while somebody starts or minds it, or its worker lives."""
    try:
        fd = regular(str(path), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False
