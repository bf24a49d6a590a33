"""Workers that were asked to stop, or have told their end: pressed the harder the longer it is ago, and never on another run's account."""

from __future__ import annotations

import time

from engine.core import locks
from engine.runs.folder import RunFolder
from engine.scheduler.executor import Executor


class Pressing:
    """Seconds are counted from when this process saw it, so setting the clock hurries nobody."""

    def __init__(self, executor: Executor, terminate_after: float, kill_after: float) -> None:
        self.executor, self.terminate_after, self.kill_after = executor, terminate_after, kill_after
        self._stop_requested: dict[str, tuple[float, float]] = {}  # run -> STOP's modification time, when we first saw that one (monotonic)
        self._escalated: dict[str, float] = {}  # run -> when it was sent SIGTERM (monotonic)
        self._leaving: dict[str, float] = {}  # ended run whose worker is still there -> since when (monotonic)

    def forget(self, run: str) -> None:
        for known in (self._stop_requested, self._escalated, self._leaving):
            known.pop(run, None)

    def escalate(self, folder: RunFolder) -> None:
        """The longer ago STOP was seen, the harder the worker is asked.  A signal ends all its runs, so all must have been asked."""
        waited = self.waited(folder)
        if waited is None or any(self.waited(other) is None for other in folder.stack()):
            return
        if waited >= self.kill_after:
            self.executor.stop(folder, "kill")
        elif waited >= self.terminate_after and folder.run not in self._escalated:
            self._escalated[folder.run] = time.monotonic()
            self.executor.stop(folder, "terminate")

    def waited(self, folder: RunFolder) -> float | None:
        """Seconds since this process saw that the run was asked to stop, or None when it was not."""
        try:
            written = (folder.path / "STOP").stat().st_mtime
        except FileNotFoundError:
            return None
        if self._stop_requested.get(folder.run, (None, 0.0))[0] != written:
            self._stop_requested[folder.run] = (written, time.monotonic())
            self._escalated.pop(folder.run, None)
        return time.monotonic() - self._stop_requested[folder.run][1]

    def is_exiting(self, folder: RunFolder) -> bool:
        """A worker that has told its end may take a moment to leave, and keeps its slot and GPU until then, but not for ever."""
        if folder.unreadable():
            return False  # it may well live, and is minded by the Faultline that made it
        if not locks.is_locked(folder.path / "claim"):
            return False
        if time.monotonic() - self._leaving.setdefault(folder.run, time.monotonic()) < self.kill_after or folder.stack():
            return True
        self.executor.stop(folder, "kill")
        return False
