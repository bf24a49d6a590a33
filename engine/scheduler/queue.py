"""The order of the queue, and which of its runs are paused: `data/queue.json`, kept across restarts, changed by anybody.

    {"order": [RUN, …], "paused": [RUN, …]}

The queue itself is the folder: every run with a declaration and no worker yet.  A run that the file does not
name comes after those that it names, oldest first, so a file that is missing or damaged costs only the order.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from engine.core.files import read_json, write_json
from engine.core.paths import private_folder
from engine.runs.folder import RunFolder, all_runs


class QueueOrder:
    """Read afresh at every question; changes are made one at a time."""

    def __init__(self, data: Path) -> None:
        self.data, self.file = Path(data), Path(data) / "queue.json"

    def sort(self, queued: Iterable[RunFolder]) -> list[RunFolder]:
        """Queued runs, the next one first."""
        place = {run: n for n, run in enumerate(self._listed("order"))}
        last = len(place)
        return sorted(queued, key=lambda f: (place.get(f.run, last), (f.spec() or {}).get("created") or 0.0, f.run))

    def paused(self) -> frozenset[str]:
        """Runs that stay in the queue until somebody lets them go on."""
        return frozenset(self._listed("paused"))

    def waiting(self) -> list[RunFolder]:
        """The whole queue as the folder has it now, in order."""
        return self.sort(folder for folder in all_runs(self.data) if folder.status() == "queued")

    def move(self, run: str, by: int) -> None:
        """Up (negative) or down by so many places, as far as the queue goes.  A run that has begun meanwhile stays begun."""
        with self._alone():
            order = [folder.run for folder in self.waiting()]
            if run in order:
                here = order.index(run)
                order.insert(max(0, min(len(order) - 1, here + by)), order.pop(here))
                self._write(order, self.paused() & set(order))

    def pause(self, run: str, *, on: bool = True) -> None:
        """Keep a queued run from starting, or (`on=False`) let it start when its turn comes."""
        with self._alone():
            order = [folder.run for folder in self.waiting()]
            if run in order:
                changed = self.paused() | {run} if on else self.paused() - {run}
                named = [known for known in self._listed("order") if known in order]
                self._write(named, changed & set(order))

    def _listed(self, name: str) -> list[str]:
        listed = (read_json(self.file) or {}).get(name)
        return [run for run in listed if isinstance(run, str)] if isinstance(listed, list) else []

    def _write(self, order: list[str], paused: Iterable[str]) -> None:
        write_json(self.file, {"order": order, "paused": sorted(paused)})

    @contextmanager
    def _alone(self) -> Iterator[None]:
        private_folder(self.data)
        with open(self.data / "queue.lock", "a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
