"""The order of the queue, and which of its runs are paused: `data/queue.json`, kept across restarts, changed by anybody.

    {"order": [RUN, …], "paused": [RUN, …], "served": [WHO, …]}

The queue itself is the folder: every run with a declaration and no worker yet.  Persons (`who`) take turns, whoever was served
longest ago first; `served` names them, the last one last.  Among the runs of one person those that `order` names come first,
then the others, oldest first.  A run and its twin start together and stand one behind the other.  A file that is missing or damaged
costs only the order.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import zip_longest
from pathlib import Path
from typing import Any

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
        ordered = {one[3].run: one[3] for turn in rounds for one in turn if one is not None}
        return [ordered[run] for unit in _units({run: specs[folder] for run, folder in ordered.items()}) for run in unit]

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
        """Up (negative) or down by so many places among the runs of the same person, with its twin.  One that has begun stays begun."""
        with self._alone():
            specs = {folder.run: folder.spec() or {} for folder in self.waiting()}
            if run in specs:
                who = specs[run].get("who")
                units = _units({other: spec for other, spec in specs.items() if spec.get("who") == who})
                at = next(n for n, unit in enumerate(units) if run in unit)
                units.insert(max(0, min(len(units) - 1, at + by)), units.pop(at))
                others = [other for other, spec in specs.items() if spec.get("who") != who]
                self._write([*(one for unit in units for one in unit), *others], self.paused() & set(specs))

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


def _units(specs: Mapping[str, Mapping[str, Any]]) -> list[list[str]]:
    """Runs in their order, each with its twin where that waits too: what starts together."""
    out: dict[str, list[str]] = {}
    placed: set[str] = set()
    for run, spec in specs.items():
        if run not in placed:
            twin = spec.get("twin")
            out[run] = [run, twin] if twin in specs and twin != run and twin not in placed else [run]
            placed.update(out[run])
    return list(out.values())
