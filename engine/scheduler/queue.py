"""The order of the queue, and which of its runs are paused: `data/queue.json`, kept across restarts, changed by anybody.

    {"order": [RUN, …], "paused": [RUN, …], "served": [WHO, …]}

The queue itself is the folder: every run with a declaration and no worker yet.  Persons (`who`) take turns, whoever was served
longest ago first; `served` names them, the last one last.  Among the runs of one person those that `order` names come first,
then the others, oldest first.  A file that is missing or damaged costs only the order.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import zip_longest
from pathlib import Path

from engine.core.files import read_json, write_json
from engine.core.paths import private_folder
from engine.runs.folder import RunFolder, all_runs

MOST_SERVED = 200  # names that are kept


class QueueOrder:
    """Read afresh at every question; changes are made one at a time."""

    def __init__(self, data: Path) -> None:
        self.data, self.file = Path(data), Path(data) / "queue.json"

    def sort(self, queued: Iterable[RunFolder]) -> list[RunFolder]:
        """Queued runs, the next one first."""
        place = {run: n for n, run in enumerate(self._listed("order"))}
        served = {who: n for n, who in enumerate(self._listed("served"))}
        specs = {folder: folder.spec() or {} for folder in queued}
        of: dict[str, list[tuple[int, float, str, RunFolder]]] = {}  # who -> their runs, the next one first
        for folder, spec in specs.items():
            key = (place.get(folder.run, len(place)), spec.get("created") or 0.0, folder.run, folder)
            of.setdefault(str(spec.get("who") or ""), []).append(key)
        for runs in of.values():
            runs.sort(key=lambda one: one[:3])
        turns = sorted(of, key=lambda who: (served.get(who, -1), of[who][0][1:3]))
        rounds = zip_longest(*(of[who] for who in turns))
        return [one[3] for turn in rounds for one in turn if one is not None]

    def serve(self, who: str) -> None:
        """A run of this person has been started: the others come first now."""
        if self._listed("served")[-1:] != [who]:
            with self._alone():
                served = [name for name in self._listed("served") if name != who]
                self._write(self._listed("order"), self.paused(), [*served, who][-MOST_SERVED:])

    def count(self, who: str) -> int:
        """How many runs of this person wait."""
        new = (f for f in all_runs(self.data) if not any((f.path / name).exists() for name in ("proc.json", "exit.json")))
        return sum((folder.spec() or {}).get("who") == who for folder in new)

    def paused(self) -> frozenset[str]:
        """Runs that stay in the queue until somebody lets them go on."""
        return frozenset(self._listed("paused"))

    def waiting(self) -> list[RunFolder]:
        """The whole queue as the folder has it now, in order."""
        return self.sort(folder for folder in all_runs(self.data) if folder.status() == "queued")

    def move(self, run: str, by: int) -> None:
        """Up (negative) or down by so many places among the runs of the same person.  A run that has begun meanwhile stays begun."""
        with self._alone():
            who = {folder.run: (folder.spec() or {}).get("who") for folder in self.waiting()}
            if run in who:
                order = [other for other in who if who[other] == who[run]]
                here = order.index(run)
                order.insert(max(0, min(len(order) - 1, here + by)), order.pop(here))
                others = [other for other in who if who[other] != who[run]]
                self._write([*order, *others], self.paused() & set(who))

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

    def _write(self, order: list[str], paused: Iterable[str], served: list[str] | None = None) -> None:
        served = self._listed("served") if served is None else served
        write_json(self.file, {"order": order, "paused": sorted(paused), "served": served})

    @contextmanager
    def _alone(self) -> Iterator[None]:
        private_folder(self.data)
        with open(self.data / "queue.lock", "a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
