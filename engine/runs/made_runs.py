"""Which runs each sweep has made, without opening every declaration again at every look."""

from __future__ import annotations

import os
import threading
from functools import lru_cache
from pathlib import Path

from engine.runs.folder import RUN_ID, RunFolder


class MadeRuns:
    """Which run of a lab was made for which member.  A declaration never changes: each is read once, however often pages look."""

    def __init__(self, runs: Path, lab: str) -> None:
        self._runs, self._lab = runs, lab
        self._known: dict[str, str] = {}  # name in the folder -> the sweep that made this run, or nothing
        self._of: dict[str, dict[str, str]] = {}  # sweep -> run -> identity
        self._turn = threading.Lock()

    def of(self, sweep: str) -> dict[str, str]:
        """Identity -> the newest run that this sweep made of it and that still holds a declaration."""
        with self._turn:
            self._list()
            made = dict(self._of.get(sweep, ()))
        return {made[run]: run for run in sorted(made) if RunFolder(self._runs / run).declared()}

    def _list(self) -> None:
        """One listing; of the folders only those that are new, or had no declaration yet, are opened."""
        try:
            present = set(os.listdir(self._runs))
        except OSError:
            present = set()
        for name in self._known.keys() - present:
            self._of.get(self._known.pop(name), {}).pop(name, None)
        for name in present - self._known.keys():
            if not RUN_ID.match(name) or name.split("-")[2] != self._lab:
                self._known[name] = ""
            elif (spec := RunFolder(self._runs / name).spec()) is not None:
                by = self._known[name] = str(spec.get("sweep") or "")
                if by:
                    self._of.setdefault(by, {})[name] = str(spec.get("identity") or "")


@lru_cache(maxsize=32)
def made_runs(runs: Path, lab: str) -> MadeRuns:
    """What is known of this folder, shared by everybody in the process."""
    return MadeRuns(runs, lab)
