"""This process, or a child, as the worker of a run: named in proc.json and holding the run's lock."""

from __future__ import annotations

import os
from collections import deque

from engine.core import locks
from engine.runs.folder import RunFolder

_held: deque[locks.RunLock] = deque()
MOST = 300  # locks that are kept; older tests have ended


def mind(folder: RunFolder) -> RunFolder:
    """The run counts this process as its worker, until another test needs the file descriptor."""
    lock = locks.take(folder.path / "claim")
    if lock is not None:
        _held.append(lock)
        if len(_held) > MOST:
            _held.popleft().release()
    folder.write_process(os.getpid())
    return folder


def let_go(folder: RunFolder) -> None:
    """The worker has left: its lock is free."""
    for lock in [one for one in _held if os.path.samestat(os.fstat(one.fd), os.stat(folder.path / "claim"))]:
        _held.remove(lock)
        lock.release()
