"""The thread that lets open sweeps grow, in the process whose supervisor is on duty."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path

from engine.core import disk
from engine.declare.resolve import LabJson
from engine.scheduler.supervisor import Supervisor
from engine.search.growth import Growth
from engine.search.outcome import Reads

EVERY = 1.0  # seconds between two looks

log = logging.getLogger("faultline")


class Growing:
    """`start` and `close` as of a service.  `problem`: why the last look failed, in one sentence."""

    def __init__(self, data: Path, supervisor: Supervisor, store: Callable[[], Reads], lab: Callable[[str], LabJson | None]) -> None:
        self._growth, self._supervisor = Growth(data, store, lab), supervisor
        self._leave = threading.Event()
        self._thread: threading.Thread | None = None
        self.problem = ""

    @property
    def open(self) -> frozenset[str]:
        """Sweeps that may still get more runs."""
        return self._growth.open

    def start(self) -> None:
        if self._thread is None:
            self._leave.clear()
            self._growth.scan()
            self._thread = threading.Thread(target=self._loop, name="growing", daemon=True)
            self._thread.start()

    def close(self) -> None:
        self._leave.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _loop(self) -> None:
        while not self._leave.wait(EVERY):
            try:
                if self._supervisor.on_duty and self._growth.step():
                    self._supervisor.wake()
                self.problem = ""
            except Exception as error:  # the thread outlives a full disk, and says so
                problem = disk.refused(error) or f"{type(error).__name__}: {error}"
                if problem != self.problem:
                    log.error("no sweep grows at the moment: %s", problem)
                self.problem = problem
