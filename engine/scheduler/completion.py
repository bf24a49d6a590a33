"""Sweeps whose maker was killed: the supervisor makes the runs that are missing."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from engine.core import locks
from engine.core.files import of_the_machine
from engine.runs.sweep_file import read_sweep, sweep_ids
from engine.runs.watch import settled
from engine.scheduler.sweeps import complete

log = logging.getLogger("faultline")


class Completion:
    """Costs one `stat` while nothing happens."""

    def __init__(self, data: Path) -> None:
        self.data, self.folder = data, data / "sweeps"
        self._changed = 0.0
        self._done: dict[str, int] = {}  # sweep -> when its file was written (ns), for those that need nothing more
        self._open = True

    def step(self) -> None:
        """One look.  OSError where the machine refuses a run; what is wrong with one sweep is logged once."""
        try:
            changed = os.stat(self.folder).st_mtime
        except FileNotFoundError:
            return
        if changed == self._changed and settled(changed) and not self._open:
            return
        self._changed, self._open = changed, False
        for name in sweep_ids(self.data):
            written = _written(self.folder / f"{name}.json")
            if self._done.get(name) != written:
                try:
                    done = self._complete(name)
                except Exception as error:
                    if of_the_machine(error):
                        self._open = True
                        raise
                    log.error("the sweep %s is passed over (%s: %s)", name, type(error).__name__, error)
                    done = True
                if done:
                    self._done[name] = written
                else:
                    self._open = True

    def _complete(self, name: str) -> bool:
        """-> whether it needs nothing more, as far as its file says now."""
        try:
            if read_sweep(self.data, name).complete:
                return True
        except KeyError:
            return True
        mine = locks.take(self.folder / "lock")
        if mine is None:
            return False  # its maker is at it
        try:
            sweep = read_sweep(self.data, name)
            if not sweep.complete:
                complete(self.data, sweep)
        except KeyError:
            pass
        finally:
            mine.release()
        return False  # its file has just been written


def _written(path: Path) -> int:
    try:
        return os.lstat(path).st_mtime_ns
    except OSError:
        return -1
