"""Watching the folder of all runs: who is new, who is gone, and which ended runs have changed.  Everybody who watches does it here.

A folder's modification time says whether anything in it was made, renamed or deleted, but file systems count coarsely: one that
changed a moment ago may change once more without showing it, and is looked at again until it has settled.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from engine.runs.folder import RUN_ID

SETTLED = 2.0  # seconds after which a folder's modification time can be trusted
SWEEP = 5.0  # seconds between two looks at runs that have ended: a file system need not tell the parent what happens in them


def settled(changed: float) -> bool:
    """A modification time lies far enough from now; one in the future counts too, because a clock that was set back hurries nobody."""
    return abs(time.time() - changed) > SETTLED


class Seen(NamedTuple):
    present: dict[str, float]  # every run folder -> when it was modified last
    awake: frozenset[str]  # those that were not left alone, or have changed since


class RunsWatch:
    """`scan` at every pass; `leave` a run that has ended."""

    def __init__(self, runs: Path, left: Mapping[str, float] | None = None) -> None:
        self.runs = runs
        self._left = dict(left or {})  # run -> its folder's modification time when it was left alone
        self._changed, self._next_sweep = 0.0, 0.0

    def scan(self) -> Seen | None:
        """What there is now; None, for the price of one `stat`, while nothing can have happened.  FileNotFoundError without a folder."""
        changed, now = os.stat(self.runs).st_mtime, time.monotonic()
        if changed == self._changed and settled(changed) and now < self._next_sweep:
            return None
        self._changed, self._next_sweep = changed, now + SWEEP
        present: dict[str, float] = {}
        for entry in os.scandir(self.runs):
            if RUN_ID.match(entry.name):
                with contextlib.suppress(OSError):  # deleted meanwhile
                    present[entry.name] = entry.stat(follow_symlinks=False).st_mtime
        self._left = {run: then for run, then in self._left.items() if present.get(run) == then}
        return Seen(present, frozenset(present.keys() - self._left.keys()))

    def leave(self, run: str, changed: float | None = None) -> bool:
        """Leave it alone until its folder is modified after `changed` (now, if not given).  False while that would be too early."""
        try:
            changed = os.lstat(self.runs / run).st_mtime if changed is None else changed
        except OSError:
            return False
        if settled(changed):
            self._left[run] = changed
        return settled(changed)
